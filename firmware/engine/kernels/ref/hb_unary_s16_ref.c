#include "hb_elementwise.h"
#include "hb_fixed_point.h"
#include "hb_logistic_s16.h"

static int32_t value_of(const struct hb_image_unary *p, const uint16_t *table, int32_t x) {
    switch (p->function) {
    case HB_FUNCTION_LOGISTIC:
        return hb_logistic_s16(table, hb_logistic_argument(x, p->multiplier, p->shift));
    case HB_FUNCTION_TANH:
        return hb_tanh_s16(table, hb_logistic_argument(x, p->multiplier, p->shift));
    case HB_FUNCTION_LEAKY_RELU:
        if (x < 0) return hb_requantize(x, p->alpha_multiplier, p->alpha_shift);
        break;
    default: break;
    }
    return hb_requantize(x, p->multiplier, p->shift);
}

void hb_unary_s16_ref(const struct hb_unary_args *args) {
    const struct hb_image_unary *p = &args->params;
    const int16_t *x = args->input;
    int16_t *out = args->output;
    for (int32_t i = 0; i < args->elements; i++) {
        out[i] = (int16_t)hb_clamp(value_of(p, args->table, x[i]), p->act_min, p->act_max);
    }
}
