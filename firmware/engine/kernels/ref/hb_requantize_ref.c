/* From one integer type or quantization to another. */
#include "hb_elementwise.h"
#include "hb_fixed_point.h"

static int32_t element(const struct hb_quantize_args *args, int32_t i) {
    if (args->in_dtype == HB_DTYPE_INT16) return ((const int16_t *)args->input)[i];
    return ((const int8_t *)args->input)[i];
}

void hb_requantize_ref(const struct hb_quantize_args *args) {
    const struct hb_image_quantize *p = &args->params;
    int8_t *bytes = args->output;
    int16_t *halves = args->output;
    const bool is_wide = args->out_dtype == HB_DTYPE_INT16;
    for (int32_t i = 0; i < args->elements; i++) {
        const int32_t centred = element(args, i) + p->input_offset;
        const int32_t value =
            hb_wrapping_add(hb_requantize(centred, p->multiplier, p->shift), p->output_offset);
        if (is_wide) halves[i] = (int16_t)hb_clamp(value, INT16_MIN, INT16_MAX);
        else bytes[i] = (int8_t)hb_clamp(value, INT8_MIN, INT8_MAX);
    }
}
