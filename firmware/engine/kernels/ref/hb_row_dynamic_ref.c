/* Float data that was quantized row by row (hb_quantize_rows_ref.c).  The order of the float
 * operations is LiteRT's: it differs between depthwise convolution, convolution with and without a
 * zero point. */
#include "hb_fixed_point.h"
#include "hb_rows.h"

static int32_t dot(const int8_t *x, const int8_t *w, int32_t count, int32_t zero_point,
                   int32_t acc) {
    for (int32_t i = 0; i < count; i++) acc += (x[i] - zero_point) * w[i];
    return acc;
}

static float scaled(const struct hb_row *row, int32_t acc, float row_scale, uint32_t block) {
    const float weight_scale = row->scales[block];
    if (row->asymmetric && row->args->is_conv) {
        return ((float)acc * weight_scale) * row_scale;
    }
    return (float)acc * (row_scale * weight_scale);
}

static inline void output(const struct hb_row *row, const struct hb_row_position *at) {
    const struct hb_conv_args *a = row->args;
    const int8_t *weights = row->weights;
    const float *bias = a->bias;
    const struct hb_dynamic_row *quantized = &row->rows[at->batch];
    float total = -0.0f; /* unlike 0.0f, it changes nothing that is added */
    if (row->blocks > 1u) { /* fully connected only: one position, one tap */
        const int32_t size = row->depth / (int32_t)row->blocks;
        const int8_t *x = row->quantized + at->batch * a->in_c;
        for (uint32_t block = 0; block < row->blocks; block++) {
            const int32_t start = (int32_t)block * size;
            const int32_t acc = dot(x + start, weights + start, size, quantized->zero_point, 0);
            total += scaled(row, acc, quantized->scale, block);
        }
    } else {
        int32_t acc = 0;
        for (int32_t ky = at->rows.first; ky < at->rows.end; ky++) {
            for (int32_t kx = at->columns.first; kx < at->columns.end; kx++) {
                acc =
                    dot(row->quantized + hb_row_input(row, at, ky, kx),
                        weights + hb_row_tap(row, ky, kx), row->depth, quantized->zero_point, acc);
            }
        }
        total = scaled(row, acc, quantized->scale, 0);
    }
    if (bias != 0) total += bias[row->channel];
    ((float *)a->output)[at->output] = hb_clamp_f(total, a->params.act_min_f, a->params.act_max_f);
}

void hb_row_dynamic_ref(const struct hb_row *row) { hb_row_walk(row, output); }
