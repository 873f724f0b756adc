/* Order of the sum: filter row, filter column, channel; then the bias. */
#include "hb_fixed_point.h"
#include "hb_rows.h"

static inline void output(const struct hb_row *row, const struct hb_row_position *at) {
    const struct hb_conv_args *a = row->args;
    const float *input = a->input, *weights = row->weights, *bias = a->bias;
    float acc = 0.0f;
    for (int32_t ky = at->rows.first; ky < at->rows.end; ky++) {
        for (int32_t kx = at->columns.first; kx < at->columns.end; kx++) {
            const float *x = input + hb_row_input(row, at, ky, kx);
            const float *w = weights + hb_row_tap(row, ky, kx);
            for (int32_t i = 0; i < row->depth; i++) acc += x[i] * w[i];
        }
    }
    if (bias != 0) acc += bias[row->channel];
    ((float *)a->output)[at->output] = hb_clamp_f(acc, a->params.act_min_f, a->params.act_max_f);
}

void hb_row_f32_ref(const struct hb_row *row) { hb_row_walk(row, output); }
