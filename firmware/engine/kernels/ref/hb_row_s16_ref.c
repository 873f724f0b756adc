/* 64-bit sums rounded once, as TensorFlow Lite computes int16 data; a 32-bit bias asks for 32-bit
 * sums rounded twice. */
#include "hb_fixed_point.h"
#include "hb_rows.h"

static inline void output(const struct hb_row *row, const struct hb_row_position *at) {
    const struct hb_conv_args *a = row->args;
    const int16_t *input = a->input;
    const int8_t *weights = row->weights;
    int64_t acc = 0;
    for (int32_t ky = at->rows.first; ky < at->rows.end; ky++) {
        for (int32_t kx = at->columns.first; kx < at->columns.end; kx++) {
            const int16_t *x = input + hb_row_input(row, at, ky, kx);
            const int8_t *w = weights + hb_row_tap(row, ky, kx);
            for (int32_t i = 0; i < row->depth; i++) acc += (int32_t)x[i] * w[i];
        }
    }
    const int32_t multiplier = a->multiplier[row->channel], shift = a->shift[row->channel];
    int32_t value;
    if (a->bias_is_narrow) {
        acc += ((const int32_t *)a->bias)[row->channel];
        value = hb_requantize((int32_t)(uint32_t)(uint64_t)acc, multiplier, shift);
    } else {
        if (a->bias != 0) acc += hb_bias_64(a->bias, row->channel);
        value = hb_requantize_64(acc, multiplier, shift);
    }
    ((int16_t *)a->output)[at->output] =
        (int16_t)hb_clamp(value, a->params.act_min, a->params.act_max);
}

void hb_row_s16_ref(const struct hb_row *row) { hb_row_walk(row, output); }
