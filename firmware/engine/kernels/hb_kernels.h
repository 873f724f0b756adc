/* Arguments and entry points of the kernels.  The engine has validated every shape, pointer and
 * parameter before a kernel sees it.  Arithmetic: TensorFlow Lite's quantization specification,
 * rounding twice (schema/image.toml). */
#ifndef HB_KERNELS_H
#define HB_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_image.h"

struct hb_conv_args {
    const void *input;         /* [batches, in_h, in_w, in_c] */
    const void *weights;       /* conv: [out_c, filter_h, filter_w, in_c]; depthwise: [.., out_c] */
    const void *bias;          /* [out_c] or NULL */
    const int32_t *multiplier; /* [out_c], Q31, int8 only */
    const int32_t *shift;      /* [out_c], int8 only */
    void *output;              /* [batches, out_h, out_w, out_c] */
    void *scratch;             /* as many bytes as the kernel asks for, 16-aligned */
    int32_t batches, in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t filter_h, filter_w;
    struct hb_image_conv params;
    bool is_conv;        /* by rows: conv_2d */
    bool bias_is_narrow; /* int16 data: a 32-bit bias */
};

struct hb_fully_connected_args {
    const void *input;   /* [batches, in_c] */
    const void *weights; /* [out_c, in_c] */
    const void *bias;    /* [out_c] or NULL */
    const int32_t *multiplier;
    const int32_t *shift;
    void *output; /* [batches, out_c] */
    void *scratch;
    int32_t batches, in_c, out_c;
    struct hb_image_conv params;
};

struct hb_pool_args {
    const void *input; /* [batches, in_h, in_w, channels] */
    void *output;      /* [batches, out_h, out_w, channels] */
    int32_t batches, in_h, in_w, channels;
    int32_t out_h, out_w;
    struct hb_image_pool params;
};

struct hb_softmax_args {
    const void *input; /* [rows, depth] */
    void *output;
    const int16_t *exp_table, *reciprocal_table; /* int16: 513 entries each */
    int32_t rows, depth;
    struct hb_image_softmax params;
};

struct hb_add_args {
    const void *input1;
    const void *input2;
    void *output; /* may be either input */
    const void *tables; /* packed kernels */
    bool is_direct;
    int32_t elements;
    struct hb_image_add params;
};

struct hb_expand_args {
    const uint8_t *coded; /* bits, the most significant one first */
    uint32_t coded_bytes;
    const uint8_t *table; /* code lengths of 256 symbols, two to a byte */
    uint8_t *output;
    uint32_t bytes;
};

void hb_expand_ref(const struct hb_expand_args *args);
void hb_conv_2d_s8xs8_ref(const struct hb_conv_args *args);
void hb_conv_2d_f32xf32_ref(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_s8xs8_ref(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_f32xf32_ref(const struct hb_conv_args *args);
void hb_fully_connected_s8xs8_ref(const struct hb_fully_connected_args *args);
void hb_fully_connected_f32xf32_ref(const struct hb_fully_connected_args *args);
void hb_transpose_conv_s8xs8_ref(const struct hb_conv_args *args);
void hb_transpose_conv_s16xs8_ref(const struct hb_conv_args *args);
void hb_transpose_conv_f32xf32_ref(const struct hb_conv_args *args);
void hb_average_pool_2d_s8_ref(const struct hb_pool_args *args);
void hb_average_pool_2d_s16_ref(const struct hb_pool_args *args);
void hb_average_pool_2d_f32_ref(const struct hb_pool_args *args);
void hb_max_pool_2d_s8_ref(const struct hb_pool_args *args);
void hb_max_pool_2d_s16_ref(const struct hb_pool_args *args);
void hb_max_pool_2d_f32_ref(const struct hb_pool_args *args);
void hb_softmax_s8_ref(const struct hb_softmax_args *args);
void hb_softmax_s16_ref(const struct hb_softmax_args *args);
void hb_softmax_f32_ref(const struct hb_softmax_args *args);
void hb_add_s8_ref(const struct hb_add_args *args);
void hb_add_f32_ref(const struct hb_add_args *args);
void hb_reshape_ref(const void *input, void *output, uint32_t bytes);

#ifdef HB_KERNELS_DSP
/* Packed weights: dsp/hb_dsp.h.  Depth: products of one sum, padding included.  In place: whether
 * the output may begin where the input does. */
void hb_conv_2d_s8xs8_dsp(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s8xs8_dsp_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs8_dsp_scratch_bytes(const struct hb_conv_args *args);
bool hb_conv_2d_s8xs8_dsp_in_place(const struct hb_conv_args *args);
/* 3 x 3 of stride 1: dsp/hb_winograd_dsp.h. */
void hb_conv_2d_s8xs8_winograd_dsp(const struct hb_conv_args *args);
bool hb_conv_2d_s8xs8_winograd_dsp_takes(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs8_winograd_dsp_scratch_bytes(const struct hb_conv_args *args);
bool hb_conv_2d_s8xs8_winograd_dsp_in_place(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_s8xs8_dsp(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_taps_s8xs8_dsp(const struct hb_conv_args *args);
bool hb_depthwise_conv_2d_s8xs8_dsp_takes(const struct hb_conv_args *args);
uint64_t hb_depthwise_conv_2d_s8xs8_dsp_scratch_bytes(const struct hb_conv_args *args);
bool hb_depthwise_conv_2d_s8xs8_dsp_in_place(const struct hb_conv_args *args);
void hb_fully_connected_s8xs8_dsp(const struct hb_fully_connected_args *args);
uint32_t hb_fully_connected_s8xs8_dsp_depth(const struct hb_fully_connected_args *args);
uint64_t hb_fully_connected_s8xs8_dsp_scratch_bytes(const struct hb_fully_connected_args *args);
/* int4 weights: as int8 ones, never in place. */
void hb_conv_2d_s8xs4_dsp(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs4_dsp_scratch_bytes(const struct hb_conv_args *args);
void hb_fully_connected_s8xs4_dsp(const struct hb_fully_connected_args *args);
uint64_t hb_fully_connected_s8xs4_dsp_scratch_bytes(const struct hb_fully_connected_args *args);
/* int16 data; fully connected layers too, as convolutions. */
void hb_conv_2d_s16xs8_dsp(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s16xs8_dsp_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s16xs8_dsp_scratch_bytes(const struct hb_conv_args *args);
void hb_average_pool_2d_s8_dsp(const struct hb_pool_args *args);
void hb_max_pool_2d_s8_dsp(const struct hb_pool_args *args);
void hb_add_s8_dsp(const struct hb_add_args *args);
#endif

#ifdef HB_KERNELS_THUMB1
/* Packed weights: thumb1/hb_thumb1.h.  As above. */
void hb_conv_2d_s8xs8_thumb1(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s8xs8_thumb1_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs8_thumb1_scratch_bytes(const struct hb_conv_args *args);
bool hb_conv_2d_s8xs8_thumb1_in_place(const struct hb_conv_args *args);
/* int4 weights: scratch and in place as for int8 ones. */
void hb_conv_2d_s8xs4_thumb1(const struct hb_conv_args *args);
void hb_conv_2d_s16xs8_thumb1(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s16xs8_thumb1_scratch_bytes(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_s8xs8_thumb1(const struct hb_conv_args *args);
/* Tap by tap, two channels at a time; otherwise by lines. */
void hb_depthwise_conv_2d_taps_s8xs8_thumb1(const struct hb_conv_args *args);
static inline bool hb_is_by_taps_thumb1(const struct hb_conv_args *args) {
    return (args->filter_h != 3 || args->filter_w != 3) && args->out_c % 2 == 0;
}
uint64_t hb_depthwise_conv_2d_s8xs8_thumb1_scratch_bytes(const struct hb_conv_args *args);
bool hb_depthwise_conv_2d_s8xs8_thumb1_in_place(const struct hb_conv_args *args);
void hb_fully_connected_s8xs8_thumb1(const struct hb_fully_connected_args *args);
uint32_t hb_fully_connected_s8xs8_thumb1_depth(const struct hb_fully_connected_args *args);
void hb_fully_connected_s8xs4_thumb1(const struct hb_fully_connected_args *args);
void hb_fully_connected_s16xs8_thumb1(const struct hb_fully_connected_args *args);
void hb_average_pool_2d_s8_thumb1(const struct hb_pool_args *args);
void hb_max_pool_2d_s8_thumb1(const struct hb_pool_args *args);
void hb_add_s8_thumb1(const struct hb_add_args *args);
#endif

#ifdef HB_KERNELS_MVE
/* Packed weights: mve/hb_mve.h.  Depth and in place as above; an addition is direct where its
 * constants are coefficients. */
void hb_conv_2d_s8xs8_mve(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s8xs8_mve_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs8_mve_scratch_bytes(const struct hb_conv_args *args);
bool hb_conv_2d_s8xs8_mve_in_place(const struct hb_conv_args *args);
void hb_conv_2d_s8xs4_mve(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s8xs4_mve_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s8xs4_mve_scratch_bytes(const struct hb_conv_args *args);
void hb_conv_2d_s16xs8_mve(const struct hb_conv_args *args);
uint32_t hb_conv_2d_s16xs8_mve_depth(const struct hb_conv_args *args);
uint64_t hb_conv_2d_s16xs8_mve_scratch_bytes(const struct hb_conv_args *args);
void hb_depthwise_conv_2d_s8xs8_mve(const struct hb_conv_args *args);
bool hb_depthwise_conv_2d_s8xs8_mve_takes(const struct hb_conv_args *args);
uint32_t hb_depthwise_conv_2d_s8xs8_mve_depth(const struct hb_conv_args *args);
uint64_t hb_depthwise_conv_2d_s8xs8_mve_scratch_bytes(const struct hb_conv_args *args);
bool hb_depthwise_conv_2d_s8xs8_mve_in_place(const struct hb_conv_args *args);
void hb_fully_connected_s8xs8_mve(const struct hb_fully_connected_args *args);
uint32_t hb_fully_connected_s8xs8_mve_depth(const struct hb_fully_connected_args *args);
uint64_t hb_fully_connected_s8xs8_mve_scratch_bytes(const struct hb_fully_connected_args *args);
void hb_average_pool_2d_s8_mve(const struct hb_pool_args *args);
void hb_max_pool_2d_s8_mve(const struct hb_pool_args *args);
void hb_add_s8_mve(const struct hb_add_args *args);
#endif

#endif
