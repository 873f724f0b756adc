/* int16 softmax as TensorFlow Lite Micro computes it: e^x and 1 / (1 + x) by interpolation in
 * tables of 513 entries in Q0.15. */
#include "hb_fixed_point.h"
#include "hb_kernels.h"

static int32_t interpolated(const int16_t *table, int32_t value) {
    const int32_t entry = 256 + (value >> 7);
    const int32_t slope = table[entry + 1] - table[entry];
    return (int16_t)(table[entry] + ((slope * (value & 0x7F) + 64) >> 7));
}

/* e^(x - largest), at least 0; differences of -65535 stand for -10. */
static int32_t exponential(const struct hb_softmax_args *args, int32_t difference) {
    const int32_t scaled = hb_requantize(difference, args->params.input_multiplier,
                                         args->params.input_left_shift);
    return interpolated(args->exp_table, hb_clamp(hb_wrapping_add(scaled, 32767), -32768, 32767));
}

static int32_t leading_zeros(uint32_t value) {
    int32_t zeros = 0;
    for (; zeros < 32 && (value & 0x80000000u) == 0u; zeros++) value <<= 1;
    return zeros;
}

static void softmax_row(const struct hb_softmax_args *args, const int16_t *x, int16_t *out) {
    int32_t largest = INT16_MIN;
    for (int32_t i = 0; i < args->depth; i++) {
        if (x[i] > largest) largest = x[i];
    }
    uint32_t sum = 0; /* Q15 */
    for (int32_t i = 0; i < args->depth; i++) {
        const int32_t term = exponential(args, x[i] - largest);
        out[i] = (int16_t)term;
        sum += (uint32_t)term;
    }
    const int32_t zeros = leading_zeros(sum);
    if (zeros < 1 || zeros > 30) return; /* terms of tables that are no exponential */
    const int32_t shifted = (int32_t)((((int64_t)sum << (zeros - 1)) + (1 << 13)) >> 14);
    const int32_t centred = hb_clamp(shifted - (1 << 15) - (1 << 16), -32768, 32767);
    const int64_t reciprocal = interpolated(args->reciprocal_table, centred);
    const int32_t right = 31 - zeros;
    for (int32_t i = 0; i < args->depth; i++) {
        const int64_t product = out[i] * reciprocal + (INT64_C(1) << (right - 1));
        out[i] = (int16_t)hb_clamp((int32_t)(product >> right), 0, 32767);
    }
}

void hb_softmax_s16_ref(const struct hb_softmax_args *args) {
    const int16_t *x = args->input;
    int16_t *out = args->output;
    for (int32_t row = 0; row < args->rows; row++, x += args->depth, out += args->depth) {
        softmax_row(args, x, out);
    }
}
