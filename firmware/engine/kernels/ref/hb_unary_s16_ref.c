/* int16 functions as TensorFlow Lite Micro computes them: logistic and tanh by interpolation in a
 * table of logistic(i / 24) in 16 fractional bits, since tanh x = 2 logistic 2x - 1. */
#include "hb_elementwise.h"
#include "hb_fixed_point.h"

#define LAST_ENTRY 255u

static int32_t argument(const struct hb_image_unary *p, int32_t x) {
    const int32_t half = p->shift > 0 ? (int32_t)(1u << (p->shift - 1)) : 0;
    return (x * p->multiplier + half) >> p->shift;
}

static int32_t logistic(const struct hb_image_unary *p, const uint16_t *table, int32_t x) {
    const int32_t scaled = argument(p, x);
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled), entry = magnitude >> 9;
    uint32_t result = 0x7FFFu << 10;
    if (entry < LAST_ENTRY) {
        const uint32_t low = table[entry], high = table[entry + 1u];
        result = (low << 9) + (magnitude & 0x1FFu) * (high - low);
    }
    result = scaled >= 0 ? result + (1u << 9) : (1u << 25) - result + (1u << 9) - 1u;
    return (int32_t)(result >> 10);
}

static int32_t hyperbolic(const struct hb_image_unary *p, const uint16_t *table, int32_t x) {
    const int32_t scaled = argument(p, x);
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled), entry = magnitude >> 8;
    int32_t result = 0xFFFF << 8;
    if (entry < LAST_ENTRY) {
        const uint32_t low = table[entry], high = table[entry + 1u];
        result = (int32_t)((low << 8) + (magnitude & 0xFFu) * (high - low));
    }
    result = scaled >= 0 ? result - (1 << 23) + (1 << 7) : (1 << 23) - result + (1 << 7) - 1;
    return result >> 8;
}

static int32_t value_of(const struct hb_image_unary *p, const uint16_t *table, int32_t x) {
    switch (p->function) {
    case HB_FUNCTION_LOGISTIC: return logistic(p, table, x);
    case HB_FUNCTION_TANH: return hyperbolic(p, table, x);
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
