#include "hb_elementwise.h"
#include "hb_fixed_point.h"

static int32_t scaled(int32_t value, int32_t left_shift, int32_t multiplier, int32_t shift) {
    const int32_t shifted = value * (1 << left_shift);
    return hb_rounding_shift_right(hb_doubling_high_mul(shifted, multiplier), -shift);
}

void hb_sum_s16_ref(const struct hb_binary_args *args) {
    const struct hb_image_add *p = &args->sum;
    const int16_t *a = args->input1, *b = args->input2;
    int16_t *out = args->output;
    for (int32_t i = 0; i < args->elements; i++, a += args->step1, b += args->step2) {
        const int32_t first = scaled(*a, p->left_shift, p->input1_multiplier,
                                     p->input1_shift);
        const int32_t second = scaled(*b, p->left_shift, p->input2_multiplier,
                                      p->input2_shift);
        const int32_t value =
            hb_rounding_shift_right(
                hb_doubling_high_mul(first + args->sign * second, p->output_multiplier),
                -p->output_shift);
        out[i] = (int16_t)hb_clamp(value, p->act_min, p->act_max);
    }
}
