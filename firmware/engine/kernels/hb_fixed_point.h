/* Fixed-point primitives of TensorFlow Lite's integer kernels. */
#ifndef HB_FIXED_POINT_H
#define HB_FIXED_POINT_H

#include <stdint.h>

/* Sums that may wrap on hostile parameters do so with defined behaviour. */
static inline int32_t hb_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t hb_shift_left(int32_t value, int32_t bits) {
    return (int32_t)((uint32_t)value << bits);
}

/* High half of 2ab, rounded to nearest, ties up; saturates in the one case that overflows. */
static inline int32_t hb_doubling_high_mul(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* value / 2^bits, rounded to nearest, ties away from zero; bits 0 to 31. */
static inline int32_t hb_rounding_shift_right(int32_t value, int32_t bits) {
    const int32_t mask = (int32_t)((1u << bits) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> bits) + (remainder > threshold ? 1 : 0);
}

/* value * multiplier * 2^(shift - 31), rounded twice. */
static inline int32_t hb_requantize(int32_t value, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return hb_rounding_shift_right(hb_doubling_high_mul(hb_shift_left(value, left), multiplier),
                                   right);
}

/* value * multiplier * 2^(shift - 31), the multiplier cut to 16 bits, rounded once, ties up; |value|
 * below 2^47, shift -31 to 7. */
static inline int32_t hb_requantize_64(int64_t value, int32_t multiplier, int32_t shift) {
    const int32_t reduced = multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF;
    const int32_t total = 15 - shift;
    return (int32_t)(uint32_t)(uint64_t)((value * reduced + (INT64_C(1) << (total - 1))) >> total);
}

/* Element of an int64 bias that is only 4-byte aligned. */
static inline int64_t hb_bias_64(const void *bias, int32_t channel) {
    const uint32_t *words = (const uint32_t *)bias + 2 * channel;
    return (int64_t)(words[0] | ((uint64_t)words[1] << 32));
}

static inline int32_t hb_clamp(int32_t value, int32_t low, int32_t high) {
    if (value < low) return low;
    return value > high ? high : value;
}

static inline float hb_clamp_f(float value, float low, float high) {
    if (value < low) return low;
    return value > high ? high : value;
}

#endif
