#include "hb_lstm_integer.h"

static int64_t dot(const int16_t *x, const int8_t *w, int32_t count) {
    int64_t sum = 0;
    for (int32_t i = 0; i < count; i++) sum += x[i] * w[i];
    return sum;
}

static int16_t gate_value(const struct hb_lstm_args *a, const void *x, const void *hidden,
                          int32_t gate, int32_t unit) {
    const struct hb_image_lstm *p = &a->params;
    const int32_t at = gate * a->units + unit;
    const int8_t *w = (const int8_t *)a->weights + at * (a->inputs + a->units);
    const int64_t of_input = dot(x, w, a->inputs) + hb_bias_64(a->biases, at);
    const int64_t of_hidden = dot(hidden, w + a->inputs, a->units);
    return hb_lstm_gate(
        a, gate, hb_requantize_64(of_input, p->input_multiplier[gate], p->input_shift[gate]),
        hb_requantize_64(of_hidden, p->hidden_multiplier[gate], p->hidden_shift[gate]));
}

static void put(void *hidden, void *out, int32_t unit, int32_t value) {
    ((int16_t *)hidden)[unit] = ((int16_t *)out)[unit] = (int16_t)hb_clamp_s16(value);
}

void hb_lstm_s16_ref(const struct hb_lstm_args *a) { hb_lstm_walk(a, 2, gate_value, put); }
