/* The integer LSTM's walk over steps, members of the batch and units; a kernel adds its type of data
 * and its gates. */
#ifndef HB_LSTM_INTEGER_H
#define HB_LSTM_INTEGER_H

#include "hb_fixed_point.h"
#include "hb_logistic_s16.h"
#include "hb_recurrent.h"

static inline int32_t hb_clamp_s16(int32_t value) { return hb_clamp(value, INT16_MIN, INT16_MAX); }

/* A gate's function of the sums over the data and over the hidden state; gate 2, the cell gate, is
 * tanh. */
static inline int16_t hb_lstm_gate(const struct hb_lstm_args *a, int32_t gate, int32_t of_input,
                                   int32_t of_hidden) {
    const int32_t sum = hb_clamp_s16(hb_clamp_s16(of_input) + hb_clamp_s16(of_hidden));
    const int32_t argument = hb_logistic_argument(sum, 3, 0);
    return (int16_t)(gate == 2 ? hb_tanh_s16(a->table, argument)
                               : hb_logistic_s16(a->table, argument));
}

/* A unit's cell state; returns its hidden state, not clamped. */
static inline int32_t hb_lstm_update(const struct hb_lstm_args *a, int16_t *cell, int32_t unit) {
    const struct hb_image_lstm *p = &a->params;
    const int16_t *gates = a->gates;
    const int32_t in = gates[unit], forget = gates[a->units + unit];
    const int32_t update = gates[2 * a->units + unit], out = gates[3 * a->units + unit];
    const int32_t kept =
        hb_clamp_s16(hb_requantize(forget * *cell, p->forget_multiplier, p->forget_shift));
    const int32_t added =
        hb_clamp_s16(hb_requantize(in * update, p->update_multiplier, p->update_shift));
    int32_t value = hb_clamp_s16(kept + added);
    if (p->cell_clip > 0) value = hb_clamp(value, -p->cell_clip, p->cell_clip);
    *cell = (int16_t)value;
    const int32_t curve =
        hb_tanh_s16(a->table, hb_logistic_argument(value, p->tanh_multiplier, p->tanh_shift));
    return hb_wrapping_add(hb_requantize(curve * out, p->output_multiplier, p->output_shift),
                           p->output_offset);
}

typedef int16_t hb_lstm_gate_value(const struct hb_lstm_args *a, const void *x, const void *hidden,
                                   int32_t gate, int32_t unit);
/* Puts a hidden state, clamped, into both places. */
typedef void hb_lstm_put(void *hidden, void *out, int32_t unit, int32_t value);

static inline __attribute__((always_inline)) void hb_lstm_walk(const struct hb_lstm_args *a,
                                                               const int32_t element_bytes,
                                                               hb_lstm_gate_value *const gate_value,
                                                               hb_lstm_put *const put) {
    int16_t *gates = a->gates;
    for (int32_t step = 0; step < a->steps; step++) {
        for (int32_t member = 0; member < a->batch; member++) {
            const int32_t row = hb_lstm_row(a, step, member);
            const uint8_t *x = (const uint8_t *)a->input + row * a->inputs * element_bytes;
            uint8_t *hidden = (uint8_t *)a->hidden + member * a->units * element_bytes;
            uint8_t *out = (uint8_t *)a->output + row * a->units * element_bytes;
            int16_t *cell = (int16_t *)a->cell + member * a->units;
            for (int32_t i = 0; i < HB_LSTM_GATES * a->units; i++) {
                gates[i] = gate_value(a, x, hidden, i / a->units, i % a->units);
            }
            for (int32_t unit = 0; unit < a->units; unit++) {
                put(hidden, out, unit, hb_lstm_update(a, cell + unit, unit));
            }
        }
    }
}

#endif
