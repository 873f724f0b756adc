#include "hb_elementwise.h"
#include "hb_fixed_point.h"

void hb_mul_s16_ref(const struct hb_binary_args *args) {
    const struct hb_image_mul *p = &args->mul;
    const int16_t *a = args->input1, *b = args->input2;
    int16_t *out = args->output;
    for (int32_t i = 0; i < args->elements; i++, a += args->step1, b += args->step2) {
        const int32_t product = *a * *b;
        const int32_t value = hb_requantize(product, p->multiplier, p->shift);
        out[i] = (int16_t)hb_clamp(value, p->act_min, p->act_max);
    }
}
