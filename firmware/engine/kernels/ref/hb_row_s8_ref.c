#include "hb_dot_s8.h"
#include "hb_fixed_point.h"
#include "hb_rows.h"

static inline void output(const struct hb_row *row, const struct hb_row_position *at) {
    const struct hb_conv_args *a = row->args;
    const int8_t *input = a->input, *weights = row->weights;
    const int32_t *bias = a->bias;
    int32_t acc = 0;
    for (int32_t ky = at->rows.first; ky < at->rows.end; ky++) {
        for (int32_t kx = at->columns.first; kx < at->columns.end; kx++) {
            acc =
                hb_dot_s8(input + hb_row_input(row, at, ky, kx), weights + hb_row_tap(row, ky, kx),
                          row->depth, a->params.input_offset, acc);
        }
    }
    if (bias != 0) acc = hb_wrapping_add(acc, bias[row->channel]);
    acc = hb_requantize(acc, a->multiplier[row->channel], a->shift[row->channel]);
    acc = hb_wrapping_add(acc, a->params.output_offset);
    ((int8_t *)a->output)[at->output] = (int8_t)hb_clamp(acc, a->params.act_min, a->params.act_max);
}

void hb_row_s8_ref(const struct hb_row *row) { hb_row_walk(row, output); }
