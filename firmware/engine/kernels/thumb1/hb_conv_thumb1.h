/* Convolution by tiles: the elements under 6 output pixels are paired once, then multiplied by all
 * output channels.  Padded input rows lie in a ring of filter_h rows; without padding the tiles are
 * filled from the input itself.  Every kernel gets a copy for its type of data. */
#ifndef HB_CONV_THUMB1_H
#define HB_CONV_THUMB1_H

#include "hb_padded_rows.h"
#include "thumb1/hb_thumb1.h"

#define HB_INLINE static inline __attribute__((always_inline))
#define STEP (2 * HB_THUMB1_TAP_WORDS) /* words from two taps to the next two */

typedef void hb_matmul_of_conv(const struct hb_thumb1_matmul *matmul,
                               const struct hb_conv_args *args);

/* Where the bytes under an output row lie. */
struct source {
    const int8_t *first; /* filter row 0, column 0 of the output row */
    int32_t row_bytes; /* from a row to the next */
    int32_t rows_after_wrap; /* of `rows`, how many lie at the ring's start; 0: no ring */
    int32_t ring_bytes;
    int32_t rows;
    int32_t run; /* bytes of a filter row */
    int32_t pixel_bytes; /* from a pixel's first byte to the next pixel's */
};

HB_INLINE const int8_t *next_row(const struct source *source, const int8_t *row, int32_t left) {
    return hb_next_row(row, source->row_bytes, source->ring_bytes, source->rows_after_wrap, left);
}

/* int8, or int16 + 2^15: as the tile has it (hb_thumb1.h). */
HB_INLINE uint32_t element(const int8_t *at, const int32_t bytes) {
    if (bytes == 1) return (uint32_t)(int32_t)*at;
    return (uint32_t) * (const uint16_t *)(const void *)at ^ 0x8000u;
}

HB_INLINE uint32_t pair(const int8_t *even, const int8_t *odd, const int32_t bytes) {
    return element(even, bytes) + (element(odd, bytes) << 16);
}

/* Two pixels side by side. */
static inline void fill_pair(const struct source *source, const int8_t *row, uint32_t *to,
                             const int32_t bytes) {
    uint32_t *odd = to + 1; /* the next tap's word */
    for (int32_t left = source->rows; left > 0; row = next_row(source, row, --left)) {
        const int8_t *x = row, *y = row + source->pixel_bytes, *end = x + source->run;
        if (odd == to + 1) {
            for (; end - x >= 4 * bytes; x += 4 * bytes, y += 4 * bytes, to += 2 * STEP) {
                to[0] = pair(x, y, bytes);
                to[1] = pair(x + bytes, y + bytes, bytes);
                to[STEP] = pair(x + 2 * bytes, y + 2 * bytes, bytes);
                to[STEP + 1] = pair(x + 3 * bytes, y + 3 * bytes, bytes);
            }
            odd = to + 1;
        }
        for (; x != end; x += bytes, y += bytes) {
            uint32_t *const next = odd;
            *to = pair(x, y, bytes);
            odd = to + STEP;
            to = next;
        }
    }
}

/* One pixel: the even one of a pair, or the odd one after it. */
static inline void fill_one(const struct source *source, const int8_t *row, uint32_t *to,
                            bool is_odd, const int32_t bytes) {
    uint32_t *odd = to + 1;
    for (int32_t left = source->rows; left > 0; row = next_row(source, row, --left)) {
        for (const int8_t *x = row, *end = x + source->run; x != end; x += bytes) {
            uint32_t *const next = odd;
            *to = is_odd ? *to + (element(x, bytes) << 16) : element(x, bytes);
            odd = to + STEP;
            to = next;
        }
    }
}

/* Words of a tile for `depth` products of one sum, padding included. */
HB_INLINE uint32_t tile_words(uint32_t depth) { return HB_THUMB1_TAP_WORDS * depth; }

static inline uint32_t hb_conv_thumb1_depth(const struct hb_conv_args *args) {
    const uint32_t terms = (uint32_t)(args->filter_h * args->filter_w * args->in_c);
    return (terms + 3u) & ~3u;
}

static inline uint64_t hb_conv_thumb1_scratch_bytes(const struct hb_conv_args *args,
                                                    uint32_t element_bytes) {
    return 4u * (uint64_t)tile_words(hb_conv_thumb1_depth(args)) +
           hb_ring_bytes(args, element_bytes);
}

HB_INLINE void hb_conv_thumb1(const struct hb_conv_args *given, const int32_t bytes,
                              hb_matmul_of_conv *const multiply) {
    const struct hb_conv_args args = hb_flatten(given);
    const int32_t step = args.params.stride_w * args.in_c * bytes;
    uint32_t *tile = args.scratch, *tile_end = tile + tile_words(hb_conv_thumb1_depth(&args));
    struct source source = {
        .row_bytes = args.in_w * args.in_c * bytes,
        .rows = args.filter_h,
        .run = args.filter_w * args.in_c * bytes,
        .pixel_bytes = step,
    };
    struct hb_feed feed = {.args = &args, .image = args.input};
    if (hb_is_padded(&args)) {
        feed.ring = (int8_t *)tile_end;
        source.row_bytes = (int32_t)hb_padded_row_bytes(&args, (uint32_t)bytes);
        source.ring_bytes = args.filter_h * source.row_bytes;
        hb_fill_bytes(feed.ring, -args.params.input_offset, source.ring_bytes);
    }
    struct hb_thumb1_matmul matmul = {
        .tile = tile,
        .tile_end = tile_end,
        .stream = args.weights,
        .out = args.output,
        .stride = args.out_c * bytes,
        .channels = args.out_c,
    };
    for (int32_t batch = 0; batch < args.batches; batch++, feed.loaded = 0) {
        for (int32_t y = 0; y < args.out_h; y++) {
            source.first = hb_seek(&feed, source.row_bytes, y, bytes, &source.rows_after_wrap);
            for (int32_t x = 0; x < args.out_w;) {
                const int8_t *const first = source.first + x * step;
                uint32_t *const to = tile + (matmul.pixels & ~1);
                if (matmul.pixels % 2 == 0 && args.out_w - x >= 2) {
                    fill_pair(&source, first, to, bytes);
                    matmul.pixels += 2;
                    x += 2;
                } else {
                    fill_one(&source, first, to, matmul.pixels % 2 != 0, bytes);
                    matmul.pixels++;
                    x++;
                }
                if (matmul.pixels < HB_THUMB1_PIXELS) continue;
                multiply(&matmul, &args);
                matmul.out += HB_THUMB1_PIXELS * args.out_c * bytes;
                matmul.pixels = 0;
            }
        }
        feed.image += args.in_h * args.in_w * args.in_c * bytes;
    }
    if (matmul.pixels > 0) multiply(&matmul, &args);
}

#endif
