#include "hb_elementwise.h"
#include "hb_fixed_point.h"

static int32_t sum_of(const struct hb_mean_args *args, const int8_t *x) {
    const int32_t *n = args->reduced, *s = args->strides;
    int32_t sum = 0;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const int8_t *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) sum += row[d * s[3]];
            }
        }
    }
    return sum;
}

void hb_mean_s8_ref(const struct hb_mean_args *args) {
    const struct hb_image_mean *p = &args->params;
    const int32_t *n = args->kept, *s = args->strides;
    const int8_t *x = args->input;
    int8_t *out = args->output;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                const int8_t *row = x + a * s[0] + b * s[1] + c * s[2];
                for (int32_t d = 0; d < n[3]; d++) {
                    const int32_t centred =
                        sum_of(args, row + d * s[3]) + args->count * p->input_offset;
                    const int32_t value = hb_wrapping_add(
                        hb_requantize(centred, p->multiplier, p->shift), p->output_offset);
                    *out++ = (int8_t)hb_clamp(value, -128, 127);
                }
            }
        }
    }
}
