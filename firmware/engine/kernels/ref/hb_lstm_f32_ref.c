#include "hb_fixed_point.h"
#include "hb_float_math.h"
#include "hb_recurrent.h"

static float dot(const float *x, const float *w, int32_t count) {
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) sum += x[i] * w[i];
    return sum;
}

/* A gate's function of the data and the hidden state; gate 2, the cell gate, is tanh. */
static float gate_value(const struct hb_lstm_args *a, const float *x, const float *hidden,
                        int32_t gate, int32_t unit) {
    const int32_t at = gate * a->units + unit;
    const float *w = (const float *)a->weights + at * (a->inputs + a->units);
    const float of_input = dot(x, w, a->inputs) + ((const float *)a->biases)[at];
    const float sum = of_input + dot(hidden, w + a->inputs, a->units);
    return gate == 2 ? hb_tanhf(sum) : hb_logisticf(sum);
}

static float update(const struct hb_lstm_args *a, float *cell, int32_t unit) {
    const float *gates = a->gates, clip = a->params.cell_clip_f;
    const float kept = gates[a->units + unit] * *cell;
    *cell = kept + gates[unit] * gates[2 * a->units + unit];
    if (clip > 0.0f) *cell = hb_clamp_f(*cell, -clip, clip);
    return hb_tanhf(*cell) * gates[3 * a->units + unit];
}

void hb_lstm_f32_ref(const struct hb_lstm_args *a) {
    float *gates = a->gates;
    for (int32_t step = 0; step < a->steps; step++) {
        for (int32_t member = 0; member < a->batch; member++) {
            const int32_t row = hb_lstm_row(a, step, member);
            const float *x = (const float *)a->input + row * a->inputs;
            float *hidden = (float *)a->hidden + member * a->units;
            float *cell = (float *)a->cell + member * a->units;
            float *out = (float *)a->output + row * a->units;
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
