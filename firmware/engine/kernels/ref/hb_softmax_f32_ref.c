/* Float32 operations in a fixed order, so that a host in float32 gives the same bytes. */
#include <string.h>

#include "hb_kernels.h"

/* e^x for x <= 0: x = n ln 2 + r, the polynomial of Cephes' expf on r, scaled by 2^n. */
static float hb_expf(float x) {
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

void hb_softmax_f32_ref(const struct hb_softmax_args *args) {
    const int32_t depth = args->depth;
    const float *x = args->input;
    float *out = args->output;
    for (int32_t row = 0; row < args->rows; row++, x += depth, out += depth) {
        float largest = x[0];
        for (int32_t i = 1; i < depth; i++) {
            if (x[i] > largest) largest = x[i];
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < depth; i++) {
            out[i] = hb_expf((x[i] - largest) * args->params.beta);
            sum += out[i];
        }
        for (int32_t i = 0; i < depth; i++) out[i] = out[i] / sum;
    }
}
