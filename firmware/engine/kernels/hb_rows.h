/* Weighted operators one output channel at a time, for weights that are stored in another type than
 * the data: a channel's weights, one row, are decoded into scratch and used at every output position
 * before the next row is touched.  A convolution's row is [filter_h, filter_w, in_c]; a depthwise one
 * is [filter_h, filter_w, 1]; a fully connected layer is a convolution of 1 x 1 images. */
#ifndef HB_ROWS_H
#define HB_ROWS_H

#include "hb_geometry.h"
#include "hb_kernels.h"

struct hb_row_weights {
    const uint8_t *data; /* [out_c, count] */
    uint8_t dtype; /* enum hb_dtype */
    uint32_t count; /* elements of a row */
    const float *scales; /* [out_c, blocks], or NULL */
    uint32_t blocks; /* of equal size, each with a scale of its own */
};

/* How a row of data was quantized on the fly. */
struct hb_dynamic_row {
    float scale;
    int32_t zero_point;
};

struct hb_row {
    const struct hb_conv_args *args;
    const void *weights; /* of this channel: float, or int8 for integer sums */
    int32_t channel;
    int32_t first; /* first input channel that the row covers, and how many */
    int32_t depth;
    const float *scales; /* dynamic range: of this channel, [blocks] */
    const struct hb_dynamic_row *rows; /* dynamic range: [batches] */
    const int8_t *quantized; /* dynamic range: the data */
    uint32_t blocks;
    bool asymmetric;
};

/* The weights of a channel as integers or floats, in `scratch` where they are stored otherwise. */
const int8_t *hb_weights_row_s8_ref(const struct hb_row_weights *weights, uint32_t channel,
                                    int8_t *scratch);
const float *hb_weights_row_f32_ref(const struct hb_row_weights *weights, uint32_t channel,
                                    float *scratch);

/* Quantizes rows of `count` floats to int8; symmetric: zero point 0, -127 to 127. */
void hb_quantize_rows_ref(const float *input, uint32_t row_count, uint32_t count, bool symmetric,
                          int8_t *output, struct hb_dynamic_row *rows);

void hb_row_f32_ref(const struct hb_row *row); /* float data and sums */
void hb_row_s8_ref(const struct hb_row *row); /* int8 data, 32-bit sums */
void hb_row_s16_ref(const struct hb_row *row); /* int16 data, 64-bit sums */
void hb_row_dynamic_ref(const struct hb_row *row); /* quantized data, float output */

/* One output position: taps inside the input, which image, which output element. */
struct hb_row_position {
    struct hb_taps rows, columns;
    int32_t batch;
    int32_t output;
};

/* First element of the input, and of the weights, under tap (ky, kx). */
static inline int32_t hb_row_input(const struct hb_row *row, const struct hb_row_position *at,
                                   int32_t ky, int32_t kx) {
    const struct hb_conv_args *a = row->args;
    const int32_t y = at->rows.origin + ky * a->params.dilation_h;
    const int32_t x = at->columns.origin + kx * a->params.dilation_w;
    return ((at->batch * a->in_h + y) * a->in_w + x) * a->in_c + row->first;
}

static inline int32_t hb_row_tap(const struct hb_row *row, int32_t ky, int32_t kx) {
    return (ky * row->args->filter_w + kx) * row->depth;
}

/* Calls `output` for every output position of the row's channel. */
static inline void hb_row_walk(const struct hb_row *row,
                               void (*output)(const struct hb_row *row,
                                              const struct hb_row_position *at)) {
    const struct hb_conv_args *a = row->args;
    const struct hb_image_conv *p = &a->params;
    struct hb_row_position at = {.output = row->channel};
    for (at.batch = 0; at.batch < a->batches; at.batch++) {
        for (int32_t y = 0; y < a->out_h; y++) {
            at.rows = hb_taps(y, p->stride_h, p->pad_top, p->dilation_h, a->filter_h, a->in_h);
            for (int32_t x = 0; x < a->out_w; x++) {
                at.columns =
                    hb_taps(x, p->stride_w, p->pad_left, p->dilation_w, a->filter_w, a->in_w);
                output(row, &at);
                at.output += a->out_c;
            }
        }
    }
}

#endif
