#include "hb_fixed_point.h"
#include "hb_logistic_s16.h"
#include "hb_recurrent.h"

static int32_t clamp16(int32_t value) { return hb_clamp(value, INT16_MIN, INT16_MAX); }

static int64_t dot(const int16_t *x, const int8_t *w, int32_t count) {
    int64_t sum = 0;
    for (int32_t i = 0; i < count; i++) sum += x[i] * w[i];
    return sum;
}

/* A gate's function of the data and the hidden state; gate 2, the cell gate, is tanh. */
static int16_t gate_value(const struct hb_lstm_args *a, const int16_t *x, const int16_t *hidden,
                          int32_t gate, int32_t unit) {
    const struct hb_image_lstm *p = &a->params;
    const int32_t at = gate * a->units + unit;
    const int8_t *w = (const int8_t *)a->weights + at * (a->inputs + a->units);
    const int64_t of_input = dot(x, w, a->inputs) + hb_bias_64(a->biases, at);
    const int64_t of_hidden = dot(hidden, w + a->inputs, a->units);
    const int32_t sum =
        clamp16(clamp16(hb_requantize_64(of_input, p->input_multiplier[gate],
                                         p->input_shift[gate])) +
                clamp16(hb_requantize_64(of_hidden, p->hidden_multiplier[gate],
                                         p->hidden_shift[gate])));
    const int32_t argument = hb_logistic_argument(sum, 3, 0);
    return (int16_t)(gate == 2 ? hb_tanh_s16(a->table, argument)
                               : hb_logistic_s16(a->table, argument));
}

static int16_t update(const struct hb_lstm_args *a, int16_t *cell, int32_t unit) {
    const struct hb_image_lstm *p = &a->params;
    const int16_t *gates = a->gates;
    const int32_t in = gates[unit], forget = gates[a->units + unit];
    const int32_t update = gates[2 * a->units + unit], out = gates[3 * a->units + unit];
    const int32_t kept = clamp16(hb_requantize(forget * *cell, p->forget_multiplier,
                                               p->forget_shift));
    const int32_t added = clamp16(hb_requantize(in * update, p->update_multiplier,
                                                p->update_shift));
    int32_t value = clamp16(kept + added);
    if (p->cell_clip > 0) value = hb_clamp(value, -p->cell_clip, p->cell_clip);
    *cell = (int16_t)value;
    const int32_t curve =
        hb_tanh_s16(a->table, hb_logistic_argument(value, p->tanh_multiplier, p->tanh_shift));
    const int32_t hidden = hb_wrapping_add(
        hb_requantize(curve * out, p->output_multiplier, p->output_shift), p->output_offset);
    return (int16_t)clamp16(hidden);
}

void hb_lstm_s16_ref(const struct hb_lstm_args *a) {
    int16_t *gates = a->gates;
    for (int32_t step = 0; step < a->steps; step++) {
        for (int32_t member = 0; member < a->batch; member++) {
            const int32_t row = hb_lstm_row(a, step, member);
            const int16_t *x = (const int16_t *)a->input + row * a->inputs;
            int16_t *hidden = (int16_t *)a->hidden + member * a->units;
            int16_t *cell = (int16_t *)a->cell + member * a->units;
            int16_t *out = (int16_t *)a->output + row * a->units;
            for (int32_t i = 0; i < HB_LSTM_GATES * a->units; i++) {
                gates[i] = gate_value(a, x, hidden, i / a->units, i % a->units);
            }
            for (int32_t unit = 0; unit < a->units; unit++) {
                hidden[unit] = update(a, cell + unit, unit);
                out[unit] = hidden[unit];
            }
        }
    }
}
