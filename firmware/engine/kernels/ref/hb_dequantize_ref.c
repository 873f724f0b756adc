#include "hb_elementwise.h"

static int32_t element(const struct hb_quantize_args *args, int32_t i) {
    switch (args->in_dtype) {
    case HB_DTYPE_UINT8: return ((const uint8_t *)args->input)[i];
    case HB_DTYPE_INT16: return ((const int16_t *)args->input)[i];
    default: return ((const int8_t *)args->input)[i];
    }
}

void hb_dequantize_ref(const struct hb_quantize_args *args) {
    float *out = args->output;
    for (int32_t i = 0; i < args->elements; i++) {
        out[i] = (float)(element(args, i) + args->params.input_offset) * args->params.scale;
    }
}
