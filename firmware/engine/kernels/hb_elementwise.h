/* Kernels that compute every element from one element of each input, and MEAN.  As in hb_kernels.h,
 * all arguments have been validated. */
#ifndef HB_ELEMENTWISE_H
#define HB_ELEMENTWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_image.h"

/* A row of a sum, difference or product: operand i advances by step_i elements, 1 or 0. */
struct hb_binary_args {
    const void *input1;
    const void *input2;
    void *output; /* may be an input whose step is 1 */
    int32_t step1, step2;
    int32_t elements;
    int32_t sign; /* -1: input1 minus input2 */
    struct hb_image_add sum;
    struct hb_image_mul mul;
};

struct hb_unary_args {
    const void *input;
    void *output; /* may be the input */
    const uint16_t *table; /* int16 logistic and tanh: 256 entries */
    int32_t elements;
    struct hb_image_unary params;
};

struct hb_quantize_args {
    const void *input;
    void *output; /* may be the input where elements are of equal size */
    int32_t elements;
    uint8_t in_dtype, out_dtype;
    struct hb_image_quantize params;
};

/* Outputs are walked along the kept axes, each one's sum along the others; an axis has extent 1
 * in one of the two. */
struct hb_mean_args {
    const void *input;
    void *output;
    int32_t kept[4], reduced[4];
    int32_t strides[4]; /* of the input, in elements */
    int32_t count;      /* elements of one sum */
    struct hb_image_mean params;
};

void hb_sum_s8_ref(const struct hb_binary_args *args);
void hb_sum_s16_ref(const struct hb_binary_args *args);
void hb_sum_f32_ref(const struct hb_binary_args *args);
void hb_mul_s8_ref(const struct hb_binary_args *args);
void hb_mul_s16_ref(const struct hb_binary_args *args);
void hb_mul_f32_ref(const struct hb_binary_args *args);
void hb_unary_s16_ref(const struct hb_unary_args *args);
void hb_unary_f32_ref(const struct hb_unary_args *args);
void hb_quantize_f32_ref(const struct hb_quantize_args *args);
void hb_requantize_ref(const struct hb_quantize_args *args);
void hb_dequantize_ref(const struct hb_quantize_args *args);
void hb_mean_s8_ref(const struct hb_mean_args *args);
void hb_mean_s16_ref(const struct hb_mean_args *args);
void hb_mean_f32_ref(const struct hb_mean_args *args);
/* table[input ^ flip]: flip 0x80 for int8, 0 for uint8.  The output may be the input. */
void hb_lookup_ref(const uint8_t *input, const uint8_t *table, uint8_t *output, uint32_t elements,
                   uint8_t flip);

#endif
