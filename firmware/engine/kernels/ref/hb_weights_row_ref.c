/* Stored weights to what a row kernel multiplies with. */
#include "hb_rows.h"

/* Element `index` of packed int4. */
static int8_t nibble(const uint8_t *data, uint32_t index) {
    const uint32_t byte = data[index / 2u];
    const uint32_t half = (index & 1u) != 0u ? byte >> 4 : byte & 15u;
    return (int8_t)(half > 7u ? (int32_t)half - 16 : (int32_t)half);
}

static float from_bits(uint32_t bits) {
    union {
        uint32_t bits;
        float value;
    } view = {.bits = bits};
    return view.value;
}

/* A small float with `mantissa_bits`, exponent bias `bias`, sign bit at `sign_bit`; `top` is the
 * exponent of infinity and NaN, 0 = none. */
static float small_float(uint32_t code, uint32_t mantissa_bits, uint32_t sign_bit, uint32_t bias,
                         uint32_t top) {
    const uint32_t sign = (code >> sign_bit) << 31;
    const uint32_t mantissa = code & ((1u << mantissa_bits) - 1u);
    const uint32_t exponent = (code & ((1u << sign_bit) - 1u)) >> mantissa_bits;
    const uint32_t shifted = mantissa << (23u - mantissa_bits);
    if (exponent == 0u) { /* subnormal: mantissa * 2^(1 - bias - mantissa_bits) */
        const float step = from_bits((127u + 1u - bias - mantissa_bits) << 23);
        const float magnitude = (float)mantissa * step;
        return sign != 0u ? -magnitude : magnitude;
    }
    if (top != 0u && exponent == top) return from_bits(sign | 0x7F800000u | shifted);
    return from_bits(sign | ((exponent + 127u - bias) << 23) | shifted);
}

static float half(const uint8_t *data, uint32_t index) {
    const uint32_t code = data[2u * index] | ((uint32_t)data[2u * index + 1u] << 8);
    return small_float(code, 10, 15, 15, 31);
}

/* E4M3: no infinity; all bits but the sign set is NaN. */
static float eighth(uint32_t code) {
    if ((code & 0x7Fu) == 0x7Fu) return from_bits(0x7FC00000u);
    return small_float(code, 3, 7, 7, 0);
}

const int8_t *hb_weights_row_s8_ref(const struct hb_row_weights *weights, uint32_t channel,
                                    int8_t *scratch) {
    const uint32_t first = channel * weights->count;
    if (weights->dtype == HB_DTYPE_INT8) return (const int8_t *)weights->data + first;
    for (uint32_t i = 0; i < weights->count; i++) scratch[i] = nibble(weights->data, first + i);
    return scratch;
}

const float *hb_weights_row_f32_ref(const struct hb_row_weights *weights, uint32_t channel,
                                    float *scratch) {
    const uint32_t first = channel * weights->count;
    const uint32_t block = weights->count / weights->blocks;
    for (uint32_t i = 0; i < weights->count; i++) {
        float value;
        switch (weights->dtype) {
        case HB_DTYPE_FLOAT16: value = half(weights->data, first + i); break;
        case HB_DTYPE_FLOAT8: value = eighth(weights->data[first + i]); break;
        case HB_DTYPE_INT4: value = (float)nibble(weights->data, first + i); break;
        default: value = (float)((const int8_t *)weights->data)[first + i]; break;
        }
        if (weights->scales != 0) {
            value *= weights->scales[channel * weights->blocks + i / block];
        }
        scratch[i] = value;
    }
    return scratch;
}
