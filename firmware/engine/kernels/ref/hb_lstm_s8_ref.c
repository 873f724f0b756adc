#include "hb_lstm_integer.h"

static int32_t dot(const int8_t *x, int32_t offset, const int8_t *w, int32_t count) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) sum += (x[i] + offset) * w[i];
    return sum;
}

static int16_t gate_value(const struct hb_lstm_args *a, const void *x, const void *hidden,
                          int32_t gate, int32_t unit) {
    const struct hb_image_lstm *p = &a->params;
    const int32_t at = gate * a->units + unit;
    const int8_t *w = (const int8_t *)a->weights + at * (a->inputs + a->units);
    const int32_t of_input =
        hb_wrapping_add(dot(x, p->input_offset, w, a->inputs), ((const int32_t *)a->biases)[at]);
    const int32_t of_hidden = dot(hidden, p->hidden_offset, w + a->inputs, a->units);
    return hb_lstm_gate(
        a, gate, hb_requantize(of_input, p->input_multiplier[gate], p->input_shift[gate]),
        hb_requantize(of_hidden, p->hidden_multiplier[gate], p->hidden_shift[gate]));
}

static void put(void *hidden, void *out, int32_t unit, int32_t value) {
    ((int8_t *)hidden)[unit] = ((int8_t *)out)[unit] = (int8_t)hb_clamp(value, INT8_MIN, INT8_MAX);
}

void hb_lstm_s8_ref(const struct hb_lstm_args *a) { hb_lstm_walk(a, 1, gate_value, put); }
