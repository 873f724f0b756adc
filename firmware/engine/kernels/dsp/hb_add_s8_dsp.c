/* Element-wise sum by tables of both inputs' 256 values.
 *
 * Direct tables hold each input's share of the output with HB_ADD_FRACTION_BITS bits of fraction,
 * zero point and rounding included: the packer has checked all 65,536 pairs.  Otherwise they hold
 * the inputs as rescaled by the reference, and the sum is requantized (hb_matmul_p8_dsp.S). */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"

static inline int8_t finish_direct(uint32_t sum) {
#if HB_DSP_ASM
    int32_t value;
    __asm__("ssat %0, #8, %1, asr %2" : "=r"(value) : "r"(sum), "I"(HB_ADD_FRACTION_BITS));
#else
    int32_t value = (int32_t)sum >> HB_ADD_FRACTION_BITS;
    value = value < -128 ? -128 : value > 127 ? 127 : value;
#endif
    return (int8_t)value;
}

static inline int8_t finish_scaled(uint32_t sum, const int32_t *scale, int32_t zero_point) {
#if HB_DSP_ASM
    int32_t value = (int32_t)sum;
    __asm__("smmlar %0, %0, %1, %0\n\t"
            "add %0, %0, %0, asr #31\n\t"
            "smmlar %0, %0, %2, %3\n\t"
            "ssat %0, #8, %0"
            : "+r"(value)
            : "r"(scale[0]), "r"(scale[1]), "r"(zero_point));
    return (int8_t)value;
#else
    int32_t value = hb_smmlar((int32_t)sum, scale[0], (int32_t)sum);
    value = (int32_t)((uint32_t)value + (uint32_t)(value >> 31));
    value = hb_smmlar(value, scale[1], zero_point);
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
#endif
}

void hb_add_s8_dsp(const struct hb_add_args *args) {
    const uint8_t *a = args->input1, *b = args->input2;
    const uint32_t *table_a = args->tables, *table_b = table_a + 256;
    int8_t *out = args->output;
    const int8_t *end = out + args->elements;
    if (args->is_direct) {
#pragma GCC unroll 8
        while (out != end) *out++ = finish_direct(table_a[*a++] + table_b[*b++]);
        return;
    }
    const int32_t scale[2] = {(int32_t)table_b[256], (int32_t)table_b[257]};
    const int32_t zero_point = args->params.output_offset;
#pragma GCC unroll 8
    while (out != end) *out++ = finish_scaled(table_a[*a++] + table_b[*b++], scale, zero_point);
}
