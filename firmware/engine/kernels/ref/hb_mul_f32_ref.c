#include "hb_elementwise.h"
#include "hb_fixed_point.h"

void hb_mul_f32_ref(const struct hb_binary_args *args) {
    const struct hb_image_mul *p = &args->mul;
    const float *a = args->input1, *b = args->input2;
    float *out = args->output;
    for (int32_t i = 0; i < args->elements; i++, a += args->step1, b += args->step2) {
        out[i] = hb_clamp_f(*a * *b, p->act_min_f, p->act_max_f);
    }
}
