/* The rows of the input under a convolution's filter: in the input itself, or, where there is
 * padding, in a ring of filter_h padded rows. */
#ifndef HB_PADDED_ROWS_H
#define HB_PADDED_ROWS_H

#include "hb_bytes.h"
#include "hb_kernels.h"

static inline bool hb_is_padded(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    return p->pad_top > 0 || p->pad_left > 0 ||
           (args->out_h - 1) * p->stride_h + args->filter_h > args->in_h ||
           (args->out_w - 1) * p->stride_w + args->filter_w > args->in_w;
}

/* Elements of `element_bytes`; whole words. */
static inline uint64_t hb_padded_row_bytes(const struct hb_conv_args *args,
                                           uint32_t element_bytes) {
    const uint64_t columns =
        (uint64_t)(args->out_w - 1) * args->params.stride_w + (uint64_t)args->filter_w;
    return (columns * (uint64_t)args->in_c * element_bytes + 3u) & ~UINT64_C(3);
}

/* None without padding. */
static inline uint64_t hb_ring_bytes(const struct hb_conv_args *args, uint32_t element_bytes) {
    if (!hb_is_padded(args)) return 0u;
    return (uint64_t)args->filter_h * hb_padded_row_bytes(args, element_bytes);
}

static inline bool hb_is_pointwise(const struct hb_conv_args *args) {
    return args->filter_h == 1 && args->filter_w == 1 && args->params.stride_h == 1 &&
           args->params.stride_w == 1;
}

/* Elements of input in the ring or behind it when output row `y` begins, less what has been written
 * when it ends. */
static inline int64_t hb_row_lead(const struct hb_conv_args *args, int64_t y) {
    const int64_t below = y * args->params.stride_h + args->filter_h - args->params.pad_top;
    const int64_t rows = below < args->in_h ? below : args->in_h;
    return rows * args->in_w * args->in_c - (y + 1) * args->out_w * args->out_c;
}

/* A pixel's input is read before its output is written: a tile at a time, or, through the ring, a
 * row at a time (the lead is concave in y: it is least at one of the ends). */
static inline bool hb_is_in_place_by_rows(const struct hb_conv_args *args) {
    if (args->batches != 1) return false;
    if (hb_is_pointwise(args)) return args->out_c <= args->in_c;
    return hb_is_padded(args) && hb_row_lead(args, 0) >= 0 &&
           hb_row_lead(args, args->out_h - 1) >= 0;
}

/* 1x1 over every position: one long row. */
static inline struct hb_conv_args hb_flatten(const struct hb_conv_args *args) {
    struct hb_conv_args flat = *args;
    if (hb_is_pointwise(args)) {
        flat.in_w = flat.out_w = args->batches * args->in_h * args->in_w;
        flat.batches = flat.in_h = flat.out_h = 1;
    }
    return flat;
}

/* The input rows of one image, through the ring where there is padding. */
struct hb_feed {
    const struct hb_conv_args *args;
    const int8_t *image;
    int8_t *ring; /* NULL: no padding */
    int32_t loaded; /* padded rows seen so far */
};

static inline void hb_load_padded_row(const struct hb_feed *feed, int32_t row_bytes,
                                      int32_t padded_row, int32_t element_bytes) {
    const struct hb_conv_args *args = feed->args;
    const int32_t pixel_bytes = args->in_c * element_bytes;
    const int32_t left = args->params.pad_left * pixel_bytes;
    const int32_t room = row_bytes - left, input_bytes = args->in_w * pixel_bytes;
    const int32_t bytes = input_bytes < room ? input_bytes : room;
    int8_t *to = feed->ring + padded_row % args->filter_h * row_bytes + left;
    const int32_t y = padded_row - args->params.pad_top;
    if (y >= 0 && y < args->in_h) hb_copy_bytes(to, feed->image + y * input_bytes, bytes);
    else hb_fill_bytes(to, -args->params.input_offset, bytes);
}

/* First byte under output row `out_y`.  `rows_after_wrap`: how many of its rows lie at the ring's
 * start; 0: no ring. */
static inline const int8_t *hb_seek(struct hb_feed *feed, int32_t row_bytes, int32_t out_y,
                                    int32_t element_bytes, int32_t *rows_after_wrap) {
    const struct hb_conv_args *args = feed->args;
    const int32_t first = out_y * args->params.stride_h;
    if (feed->ring == 0) return feed->image + first * row_bytes;
    if (feed->loaded < first) feed->loaded = first;
    for (; feed->loaded < first + args->filter_h; feed->loaded++) {
        hb_load_padded_row(feed, row_bytes, feed->loaded, element_bytes);
    }
    *rows_after_wrap = first % args->filter_h;
    return feed->ring + *rows_after_wrap * row_bytes;
}

/* The next filter row; `left`: how many are still to come, it included. */
static inline const int8_t *hb_next_row(const int8_t *row, int32_t row_bytes, int32_t ring_bytes,
                                        int32_t rows_after_wrap, int32_t left) {
    row += row_bytes;
    return left == rows_after_wrap ? row - ring_bytes : row;
}

#endif
