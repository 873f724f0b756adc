#include "hb_elementwise.h"
#include "hb_fixed_point.h"

static int32_t sum_of(const struct hb_mean_args *args, const int16_t *x) {
    const int32_t *n = args->reduced, *s = args->strides;
    int32_t sum = 0;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const int16_t *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) sum += row[d * s[3]];
            }
        }
    }
    return sum;
}

void hb_mean_s16_ref(const struct hb_mean_args *args) {
    const struct hb_image_mean *p = &args->params;
    const int32_t *n = args->kept, *s = args->strides;
    const int16_t *x = args->input;
    int16_t *out = args->output;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const int16_t *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) {
                    const int32_t sum = sum_of(args, row + d * s[3]);
                    const int32_t value = hb_requantize(sum, p->multiplier, p->shift);
                    *out++ = (int16_t)hb_clamp(value, INT16_MIN, INT16_MAX);
                }
            }
        }
    }
}
