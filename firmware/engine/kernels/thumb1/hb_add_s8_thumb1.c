/* Element-wise sum by tables of both inputs' 256 values (models/dsp_add.py): each input's share of
 * the output with HB_ADD_FRACTION_BITS bits of fraction, or the inputs as rescaled by the reference,
 * whose sum is then requantized. */
#include "dsp/hb_dsp.h"
#include "hb_fixed_point.h"
#include "hb_kernels.h"

static inline int8_t saturate(int32_t value) {
    return (int8_t)(value == (int8_t)value ? value : (value >> 31) ^ 0x7F);
}

void hb_add_s8_thumb1(const struct hb_add_args *args) {
    const struct hb_image_add *p = &args->params;
    const uint8_t *a = args->input1, *b = args->input2;
    const uint32_t *table_a = args->tables, *table_b = table_a + 256;
    int8_t *out = args->output;
    const int8_t *end = out + args->elements;
    if (args->is_direct) {
#pragma GCC unroll 4
        while (out != end) {
            *out++ = saturate((int32_t)(table_a[*a++] + table_b[*b++]) >> HB_ADD_FRACTION_BITS);
        }
        return;
    }
    while (out != end) {
        const int32_t sum = (int32_t)(table_a[*a++] + table_b[*b++]);
        const int32_t value = hb_requantize(sum, p->output_multiplier, p->output_shift);
        *out++ = saturate(hb_wrapping_add(value, p->output_offset));
    }
}
