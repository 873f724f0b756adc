/* Functions of float32 without a C library, operation by operation those of
 * hilbench.models.float_math: the host gives the same bytes. */
#ifndef HB_FLOAT_MATH_H
#define HB_FLOAT_MATH_H

#include <stdint.h>
#include <string.h>

/* e^x for x <= 0, within 2 ulp: x = n ln 2 + r, the polynomial of Cephes' expf on r, scaled by
 * 2^n. */
static inline float hb_expf(float x) {
    if (!(x >= -87.0f)) return 0.0f; /* also NaN; keeps n >= -126 */
    const int32_t n = (int32_t)(x * 1.44269504f - 0.5f);
    float r = x - (float)n * 0.693359375f;
    r = r - (float)n * -2.12194440e-4f;
    float poly = 1.9875691500e-4f;
    poly = poly * r + 1.3981999507e-3f;
    poly = poly * r + 8.3334519073e-3f;
    poly = poly * r + 4.1665795894e-2f;
    poly = poly * r + 1.6666665459e-1f;
    poly = poly * r + 5.0000001201e-1f;
    const float value = (poly * (r * r) + r) + 1.0f;
    const uint32_t scale_bits = (uint32_t)(n + 127) << 23;
    float scale;
    memcpy(&scale, &scale_bits, sizeof scale);
    return value * scale;
}

static inline float hb_absf(float x) { return x < 0.0f ? -x : x; }

/* 1 / (1 + e^-x), within 3 ulp down to -87, below which it is 0. */
static inline float hb_logisticf(float x) {
    const float tail = hb_expf(-hb_absf(x));
    return (x >= 0.0f ? 1.0f : tail) / (1.0f + tail);
}

/* Within 3 ulp; the polynomial is that of Cephes' tanhf. */
static inline float hb_tanhf(float x) {
    const float magnitude = hb_absf(x);
    if (magnitude < 0.625f) {
        const float square = x * x;
        float poly = -5.70498872745e-3f;
        poly = poly * square + 2.06390887954e-2f;
        poly = poly * square + -5.37397155531e-2f;
        poly = poly * square + 1.33314422036e-1f;
        poly = poly * square + -3.33332819422e-1f;
        return poly * square * x + x;
    }
    const float tail = hb_expf(-2.0f * magnitude);
    const float large = (1.0f - tail) / (1.0f + tail);
    return x < 0.0f ? -large : large;
}

#endif
