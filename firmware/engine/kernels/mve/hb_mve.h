/* Shared by the kernels for the M-profile vector extension (MVE), and the layouts that they take.
 *
 * Every one also compiles without the extension, as a portable model: the host build runs packed
 * images with it, under sanitizers.  Layouts are written by harness/hilbench/models/mve.py.
 *
 * Packed weights, int32 words; K: products of one sum, zeros up to a multiple of 16.
 *   Per group of channels: their biases (input zero point folded in), then for every 16 k each
 *   channel's 16 weights.  A convolution's groups have 4 channels, biases twice (for two pixels);
 *   a fully connected layer's have 8.
 *   Behind all groups, per 4 channels: 4 multipliers, 4 negative right shifts (1 to 31).
 *   Of every whole 16 channels of a convolution, the groups take channels {0, 4, 8, 12},
 *   {2, 6, 10, 14}, {1, 5, 9, 13}, {3, 7, 11, 15}; a fully connected group takes {0, 2, 4, 6},
 *   {1, 3, 5, 7}: narrowing into even lanes, then odd ones, brings them in order.
 *
 * Diagonal strip: where the rows under a line of outputs lie so that all bytes under an output are
 * contiguous.  Row r of column u lies at element u * taps + r, taps: the filter's rows.  The next
 * row r takes the place of row r - taps of the column behind, which is past; a line of outputs that
 * is `stride` rows further begins `stride` elements further.  Where rows are not shared
 * (taps <= stride), every line begins at element 0.  Order of k: columns, rows, channels. */
#ifndef HB_MVE_H
#define HB_MVE_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_fixed_point.h"

#if defined(__ARM_FEATURE_MVE) && !defined(HB_MVE_MODEL)
#define HB_MVE_ASM 1
#include <arm_mve.h>
#else
#define HB_MVE_ASM 0
#endif

#define HB_MVE_LANES 16u
/* Channels of a group, words of it besides its weights (scales included). */
#define HB_MATMUL_CHANNELS 4u
#define HB_MATMUL_FIXED_WORDS 16u
#define HB_DOT_CHANNELS 8u
#define HB_DOT_FIXED_WORDS 24u
/* Depthwise: channels whose strips exist at one time, outputs of a group, words of a pair of
 * channels besides their weights: 4 + 4 biases, multipliers and shifts in turn. */
#define HB_DEPTHWISE_BLOCK 8u
#define HB_DEPTHWISE_PIXELS 4u
#define HB_DEPTHWISE_FIXED_WORDS 12u
/* Offsets of a scatter are 16 bits wide. */
#define HB_DEPTHWISE_MAX_PITCH (0xFFFFu / (HB_DEPTHWISE_BLOCK - 1u))
#define HB_DEPTHWISE_MAX_OUT_STEP (0xFFFFu / HB_DEPTHWISE_PIXELS)
/* Positions under an average pool's window: 255 times -128 fits 16 bits. */
#define HB_MVE_POOL_POSITIONS 255u
/* Constants of an addition: coefficients; or 2 x 256 words, multiplier, negative right shift. */
#define HB_MVE_ADD_LINEAR_WORDS 4u
#define HB_MVE_ADD_SCALED_WORDS 514u

static inline uint64_t hb_whole_vectors(uint64_t bytes) {
    return (bytes + HB_MVE_LANES - 1u) & ~(uint64_t)(HB_MVE_LANES - 1u);
}

/* Elements of a strip for `lines` lines. */
static inline uint64_t hb_strip_elements(uint64_t columns, uint64_t taps, uint64_t lines,
                                         uint64_t stride) {
    return columns * taps + (taps > stride ? (lines - 1u) * stride : 0u);
}

/* Pairs of pixels times packed weights; hb_matmul_frame_mve.h knows the order of the fields. */
struct hb_matmul_mve {
    const int8_t *a, *b; /* bytes under both pixels of the first pair */
    int32_t step;        /* from a pair to the next, bytes */
    int32_t pairs;
    const int32_t *stream;
    int32_t groups;
    int32_t *sums; /* 8 words per group */
    int8_t *out;   /* of pixel a; afterwards behind pixel b of the last pair */
    int32_t channels;
    int32_t to_b; /* bytes from the output of a to that of b; 0: both are the same pixel */
    int32_t zero_point;
    int32_t loops; /* the kernel's own, as requantize */
    int32_t act_min, act_max;
    void (*requantize)(void);
};

/* Runs the pairs and advances `out`; `depth_bytes`: read under a pixel, a multiple of the block. */
typedef void hb_matmul_kernel_mve(struct hb_matmul_mve *args, int32_t depth_bytes);
hb_matmul_kernel_mve hb_matmul_mve;
/* int4 weights.  Per group of 4 channels: 4 biases, twice, then for every 32 k each channel's 16
 * bytes: k in the lower halves, k + 16 in the upper ones; scales as of int8. */
hb_matmul_kernel_mve hb_matmul_s8xs4_mve;
/* int16 data.  Per group of 4 channels: 4 biases, twice, then for every 8 k each channel's 8
 * weights.  Behind all groups: 4 multipliers (16 bits, shifted left by 16), 4 negative right
 * shifts.  Of every whole 8 channels, two groups take {0, 2, 4, 6} and {1, 3, 5, 7}. */
hb_matmul_kernel_mve hb_matmul_s16xs8_mve;

/* A convolution's data and how far the bytes under a pixel are padded. */
struct hb_conv_format_mve {
    int32_t element_bytes, block_bytes;
    hb_matmul_kernel_mve *matmul;
};

struct hb_conv_args;
void hb_conv_mve(const struct hb_conv_args *args, const struct hb_conv_format_mve *format);
uint32_t hb_conv_mve_depth_bytes(const struct hb_conv_args *args,
                                 const struct hb_conv_format_mve *format);
uint64_t hb_conv_mve_scratch_bytes(const struct hb_conv_args *args,
                                   const struct hb_conv_format_mve *format);
bool hb_conv_mve_in_place(const struct hb_conv_args *args,
                          const struct hb_conv_format_mve *format);

/* One row times packed weights; hb_dot_mve.S knows the order of the fields. */
struct hb_dot_mve {
    const int8_t *row;
    const int32_t *stream;
    int32_t vectors, groups;
    int8_t *out;
    int32_t channels;
    int32_t zero_point, act_min, act_max;
};

void hb_dot_mve(const struct hb_dot_mve *args);

/* A line of depthwise outputs, of pairs of channels; hb_depthwise_line_mve.S knows the order of the
 * fields. */
struct hb_line_mve {
    const int8_t *strip; /* under the line's first output, of the first channel */
    int32_t to_b;        /* from there to the pair's other channel */
    int32_t to_next;     /* and to the next pair */
    const int32_t *records; /* of the first pair */
    int32_t pairs;
    int8_t *out;
    int32_t groups, rest; /* outputs: 4 groups + rest */
    int32_t out_step;     /* from an output to the next, bytes */
    int32_t zero_point, act_min, act_max;
    int32_t step; /* from the bytes under an output to those of the next */
    int32_t vectors;
    int32_t record_words; /* of a pair */
};

void hb_copy_mve(int8_t *to, const int8_t *from, int32_t bytes);

/* How elements of `bytes` bytes go to places `step` bytes apart. */
struct hb_spread {
    int32_t bytes, step;
    int32_t many; /* elements of one scatter; 0: one element after the other */
    uint8_t offsets[16];
};

void hb_spread_init(struct hb_spread *spread, int32_t bytes, int32_t step);
/* `columns` elements that follow each other, or as many times `value` in all bytes. */
void hb_spread_mve(const struct hb_spread *spread, int8_t *to, const int8_t *from, int32_t columns);
void hb_spread_fill_mve(const struct hb_spread *spread, int8_t *to, int32_t value, int32_t columns);

/* What of an input lies under a pool's window. */
struct hb_pool_window {
    const int8_t *first;
    int32_t height, width, row_step, step; /* steps in bytes */
};

struct hb_pool_args;
/* All channels of one output. */
typedef void hb_pool_window_kernel(const struct hb_pool_args *args,
                                   const struct hb_pool_window *window, int8_t *out);
void hb_pool_windows_mve(const struct hb_pool_args *args, hb_pool_window_kernel *kernel);

/* A right shift, 0 to 31, of a stream's negative one, whatever that is. */
static inline int32_t hb_right_shift_mve(int32_t negative) {
    return (int32_t)((0u - (uint32_t)negative) & 31u);
}

#if !HB_MVE_ASM
/* Model of the kernels' requantization: 16-bit saturation before the zero point is added. */
static inline int8_t hb_requantize_mve(int32_t sum, int32_t multiplier, int32_t negative_shift,
                                       int32_t zero_point, int32_t act_min, int32_t act_max) {
    const int32_t high = hb_doubling_high_mul(sum, multiplier);
    const int32_t value = hb_rounding_shift_right(high, hb_right_shift_mve(negative_shift));
    const int32_t narrow = hb_clamp(hb_clamp(value, -32768, 32767) + zero_point, -32768, 32767);
    return (int8_t)hb_clamp(narrow, act_min, act_max);
}
#endif

#endif
