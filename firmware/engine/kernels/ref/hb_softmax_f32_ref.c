/* Float32 operations in a fixed order, so that a host in float32 gives the same bytes. */
#include "hb_float_math.h"
#include "hb_kernels.h"

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
