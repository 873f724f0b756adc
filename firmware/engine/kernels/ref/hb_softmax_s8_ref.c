/* Integer softmax of TensorFlow Lite: exponentials in Q0.31 of differences in Q5.26, their sum in
 * Q12.19, and a Newton-Raphson reciprocal.  Output scale 1/256, zero point -128. */
#include "hb_fixed_point.h"
#include "hb_kernels.h"

enum { INTEGER_BITS = 5, FRACTION_BITS = 31 - INTEGER_BITS, SUM_INTEGER_BITS = 12 };

static int32_t saturating_shift_left(int32_t value, int32_t bits) {
    if (value > (INT32_MAX >> bits)) return INT32_MAX;
    if (value < (INT32_MIN >> bits)) return INT32_MIN;
    return hb_shift_left(value, bits);
}

/* e^a for a in [-1/4, 0), Q0.31: Taylor's series of degree 4 around -1/8. */
static int32_t exp_quarter(int32_t a) {
    const int32_t exp_minus_eighth = 1895147668, third = 715827883; /* Q0.31 */
    const int32_t x = a + (1 << 28);
    const int32_t x2 = hb_doubling_high_mul(x, x);
    const int32_t x3 = hb_doubling_high_mul(x2, x);
    const int32_t x4_quarter = hb_rounding_shift_right(hb_doubling_high_mul(x2, x2), 2);
    const int32_t tail =
        hb_rounding_shift_right(hb_doubling_high_mul(x4_quarter + x3, third) + x2, 1);
    return exp_minus_eighth + hb_doubling_high_mul(exp_minus_eighth, x + tail);
}

/* e^a for a <= 0 in Q5.26; result Q0.31.  The part beyond a quarter is a product of e^-(2^k). */
static int32_t exp_negative(int32_t a) {
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242}; /* e^-(2^-2) to e^-(2^4) */
    if (a == 0) return INT32_MAX;
    const int32_t quarter = 1 << (FRACTION_BITS - 2);
    const int32_t a_mod = (a & (quarter - 1)) - quarter;
    int32_t result = exp_quarter(saturating_shift_left(a_mod, INTEGER_BITS));
    const uint32_t remainder = (uint32_t)a_mod - (uint32_t)a;
    for (int32_t i = 0; i < 7; i++) {
        if ((remainder & (1u << (FRACTION_BITS - 2 + i))) != 0u) {
            result = hb_doubling_high_mul(result, factors[i]);
        }
    }
    return result;
}

/* 1 / (1 + a) for a in [0, 1), Q0.31: three Newton-Raphson steps in Q2.29. */
static int32_t reciprocal_of_one_plus(int32_t a) {
    const int32_t c48_over_17 = 1515870810, minus_c32_over_17 = -1010580540; /* Q2.29 */
    const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2); /* (1 + a) / 2, rounded */
    int32_t x = c48_over_17 + hb_doubling_high_mul(half, minus_c32_over_17);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - hb_doubling_high_mul(half, x);
        x += saturating_shift_left(hb_doubling_high_mul(x, error), 2);
    }
    return saturating_shift_left(x, 1);
}

static int32_t leading_zeros(uint32_t value) {
    int32_t count = 0;
    while ((value & 0x80000000u) == 0u) { /* value > 0 */
        value <<= 1;
        count++;
    }
    return count;
}

static void softmax_row(const struct hb_softmax_args *args, const int8_t *x, int8_t *out) {
    const struct hb_image_softmax *p = &args->params;
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < args->depth; i++) {
        if (x[i] > largest) largest = x[i];
    }
    int32_t sum = 0;
    for (int32_t i = 0; i < args->depth; i++) {
        const int32_t difference = x[i] - largest;
        if (difference < p->diff_min) continue;
        const int32_t scaled = hb_doubling_high_mul(
            hb_shift_left(difference, p->input_left_shift), p->input_multiplier);
        sum += hb_rounding_shift_right(exp_negative(scaled), SUM_INTEGER_BITS);
    }
    /* sum = 2^bits (1 + a), a in [0, 1) */
    const int32_t headroom = leading_zeros((uint32_t)sum);
    const int32_t a = (int32_t)(((uint32_t)sum << headroom) - 0x80000000u);
    const int32_t reciprocal = reciprocal_of_one_plus(a);
    const int32_t shift = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (int32_t i = 0; i < args->depth; i++) {
        const int32_t difference = x[i] - largest;
        int32_t value = 0;
        if (difference >= p->diff_min && shift <= 31) {
            const int32_t scaled = hb_doubling_high_mul(
                hb_shift_left(difference, p->input_left_shift), p->input_multiplier);
            value = hb_rounding_shift_right(
                hb_doubling_high_mul(reciprocal, exp_negative(scaled)), shift);
        }
        out[i] = (int8_t)hb_clamp(value + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void hb_softmax_s8_ref(const struct hb_softmax_args *args) {
    const int8_t *x = args->input;
    int8_t *out = args->output;
    for (int32_t row = 0; row < args->rows; row++) {
        softmax_row(args, x, out);
        x += args->depth;
        out += args->depth;
    }
}
