#include "hb_elementwise.h"
#include "hb_fixed_point.h"

/* Nearest integer, ties away from zero, of a value limited to what any output type can tell apart;
 * NaN becomes the lowest. */
static int32_t rounded(float value) {
    if (!(value > -65536.0f)) return -65536;
    if (!(value < 65536.0f)) return 65536;
    const int32_t whole = (int32_t)value;
    const float rest = value - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

void hb_quantize_f32_ref(const struct hb_quantize_args *args) {
    const struct hb_image_quantize *p = &args->params;
    const float *x = args->input;
    int8_t *bytes = args->output;
    int16_t *halves = args->output;
    const bool is_wide = args->out_dtype == HB_DTYPE_INT16;
    for (int32_t i = 0; i < args->elements; i++) {
        const int32_t value = rounded(x[i] / p->scale) + p->output_offset;
        if (is_wide) halves[i] = (int16_t)hb_clamp(value, INT16_MIN, INT16_MAX);
        else bytes[i] = (int8_t)hb_clamp(value, INT8_MIN, INT8_MAX);
    }
}
