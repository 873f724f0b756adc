/* Dot products of int8 rows: each input element is loaded once for four rows of weights, which
 * keeps all accumulators in registers on a 13-register core. */
#ifndef HB_DOT_S8_H
#define HB_DOT_S8_H

#include <stdint.h>

/* acc[r] += sum over i of (x[i] + offset) * w[r * row_bytes + i], r = 0 to 3. */
static inline void hb_dot4_s8(const int8_t *x, const int8_t *w, int32_t row_bytes, int32_t count,
                              int32_t offset, int32_t acc[4]) {
    const int8_t *w1 = w + row_bytes, *w2 = w1 + row_bytes, *w3 = w2 + row_bytes;
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = x[i] + offset;
        a0 += value * w[i];
        a1 += value * w1[i];
        a2 += value * w2[i];
        a3 += value * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static inline int32_t hb_dot_s8(const int8_t *x, const int8_t *w, int32_t count, int32_t offset,
                                int32_t acc) {
    for (int32_t i = 0; i < count; i++) acc += (x[i] + offset) * w[i];
    return acc;
}

#endif
