#include "hb_elementwise.h"
#include "hb_fixed_point.h"

void hb_mul_s8_ref(const struct hb_binary_args *args) {
    const struct hb_image_mul *p = &args->mul;
    const int8_t *a = args->input1, *b = args->input2;
    int8_t *out = args->output;
    for (int32_t i = 0; i < args->elements; i++, a += args->step1, b += args->step2) {
        const int32_t product = (*a + p->input1_offset) * (*b + p->input2_offset);
        const int32_t value =
            hb_wrapping_add(hb_requantize(product, p->multiplier, p->shift), p->output_offset);
        out[i] = (int8_t)hb_clamp(value, p->act_min, p->act_max);
    }
}
