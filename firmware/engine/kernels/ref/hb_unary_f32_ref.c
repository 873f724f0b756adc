#include "hb_elementwise.h"
#include "hb_fixed_point.h"
#include "hb_float_math.h"

static float value_of(const struct hb_image_unary *p, float x) {
    switch (p->function) {
    case HB_FUNCTION_LOGISTIC: return hb_logisticf(x);
    case HB_FUNCTION_TANH: return hb_tanhf(x);
    case HB_FUNCTION_HARD_SWISH: return x * hb_clamp_f(x + 3.0f, 0.0f, 6.0f) / 6.0f;
    case HB_FUNCTION_LEAKY_RELU: return x > 0.0f ? x : x * p->alpha;
    default: return hb_clamp_f(x, p->act_min_f, p->act_max_f);
    }
}

void hb_unary_f32_ref(const struct hb_unary_args *args) {
    const float *x = args->input;
    float *out = args->output;
    for (int32_t i = 0; i < args->elements; i++) out[i] = value_of(&args->params, x[i]);
}
