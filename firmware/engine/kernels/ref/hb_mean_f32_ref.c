#include "hb_elementwise.h"

static float sum_of(const struct hb_mean_args *args, const float *x) {
    const int32_t *n = args->reduced, *s = args->strides;
    float sum = 0.0f;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const float *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) sum += row[d * s[3]];
            }
        }
    }
    return sum;
}

void hb_mean_f32_ref(const struct hb_mean_args *args) {
    const int32_t *n = args->kept, *s = args->strides;
    const float *x = args->input;
    float *out = args->output;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const float *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) {
                    *out++ = sum_of(args, row + d * s[3]) / (float)args->count;
                }
            }
        }
    }
}
