/* Logistic function and tanh of int16 as TensorFlow Lite Micro computes them: by interpolation in a
 * table of logistic(i / 24) in 16 fractional bits, since tanh x = 2 logistic 2x - 1. */
#ifndef HB_LOGISTIC_S16_H
#define HB_LOGISTIC_S16_H

#include <stdint.h>

#define HB_LOGISTIC_LAST 255u

/* x * multiplier / 2^shift, rounded: the argument, of which 12288 is 1. */
static inline int32_t hb_logistic_argument(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t half = shift > 0 ? (int32_t)(1u << (shift - 1)) : 0;
    return (x * multiplier + half) >> shift;
}

static inline int32_t hb_logistic_s16(const uint16_t *table, int32_t argument) {
    const uint32_t magnitude = (uint32_t)(argument < 0 ? -argument : argument);
    const uint32_t entry = magnitude >> 9;
    uint32_t result = 0x7FFFu << 10;
    if (entry < HB_LOGISTIC_LAST) {
        const uint32_t low = table[entry], high = table[entry + 1u];
        result = (low << 9) + (magnitude & 0x1FFu) * (high - low);
    }
    /* 32768 with a table that is no logistic function's: callers clamp */
    result = argument >= 0 ? result + (1u << 9) : (1u << 25) - result + (1u << 9) - 1u;
    return (int32_t)(result >> 10);
}

static inline int32_t hb_tanh_s16(const uint16_t *table, int32_t argument) {
    const uint32_t magnitude = (uint32_t)(argument < 0 ? -argument : argument);
    const uint32_t entry = magnitude >> 8;
    int32_t result = 0xFFFF << 8;
    if (entry < HB_LOGISTIC_LAST) {
        const uint32_t low = table[entry], high = table[entry + 1u];
        result = (int32_t)((low << 8) + (magnitude & 0xFFu) * (high - low));
    }
    result = argument >= 0 ? result - (1 << 23) + (1 << 7) : (1 << 23) - result + (1 << 7) - 1;
    return (int16_t)(result >> 8);
}

#endif
