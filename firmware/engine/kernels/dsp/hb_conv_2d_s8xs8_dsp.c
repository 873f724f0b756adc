/* Convolution by tiles: the bytes under 3 output pixels are widened to int16 once, then multiplied
 * by all output channels.  Padded input rows lie in a ring of filter_h rows; without padding the
 * tiles are filled from the input itself. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"
#include "hb_padded_rows.h"

#define PIXELS 3

/* Where the bytes under an output row lie. */
struct source {
    const int8_t *first; /* filter row 0, column 0 of the output row */
    struct hb_rows rows;
    int32_t rest; /* bytes of a filter row behind its whole words */
};

static const int8_t *next_row(const struct hb_rows *rows, const int8_t *row, int32_t left) {
    return hb_next_row(row, rows->row_bytes, rows->ring_bytes, rows->rows_after_wrap, left);
}

static inline uint32_t *put_word(uint32_t word, uint32_t *to) {
    to[0] = hb_even_bytes(word);
    to[PIXELS] = hb_odd_bytes(word);
    return to + 2 * PIXELS;
}

/* What is left of each filter row, for `count` pixels; `row`: the first row's rest under the first
 * of them. */
static inline void widen_rests(const struct source *source, const int8_t *row, uint32_t *to,
                               const int32_t count) {
    const struct hb_rows *rows = &source->rows;
    uint32_t words[PIXELS] = {0, 0, 0}, bits = 0;
    for (int32_t left = rows->rows; left > 0; row = next_row(rows, row, --left)) {
        for (int32_t i = 0; i < source->rest; i++) {
            const int8_t *at = row + i;
            for (int32_t pixel = 0; pixel < count; pixel++, at += rows->pixel_bytes) {
                words[pixel] |= (uint32_t)(uint8_t)*at << bits;
            }
            bits += 8u;
            if (bits < 32u) continue;
            for (int32_t pixel = 0; pixel < count; pixel++) {
                put_word(words[pixel], to + pixel);
                words[pixel] = 0;
            }
            to += 2 * PIXELS;
            bits = 0;
        }
    }
    if (bits == 0u) return;
    for (int32_t pixel = 0; pixel < count; pixel++) put_word(words[pixel], to + pixel);
}

static void fill_pixel(const struct source *source, int32_t at, uint32_t *to) {
    const struct hb_rows *rows = &source->rows;
    const int8_t *row = source->first + at;
    for (int32_t left = rows->rows; left > 0; row = next_row(rows, row, --left)) {
        const int8_t *from = row;
#pragma GCC unroll 4
        for (int32_t words = rows->words; words > 0; words--, from += 4) {
            to = put_word(hb_load_word(from), to);
        }
    }
    if (source->rest > 0) widen_rests(source, source->first + at + 4 * rows->words, to, 1);
}

static void fill_three(const struct source *source, int32_t at, uint32_t *to) {
    const int8_t *first = source->first + at;
    to = hb_widen_three(first, to, &source->rows);
    if (source->rest > 0) widen_rests(source, first + 4 * source->rows.words, to, PIXELS);
}

#if !HB_DSP_ASM
uint32_t *hb_widen_three(const int8_t *first, uint32_t *tile, const struct hb_rows *rows) {
    for (int32_t left = rows->rows; left > 0; first = next_row(rows, first, --left)) {
        for (int32_t word = 0; word < rows->words; word++) {
            for (int32_t pixel = 0; pixel < PIXELS; pixel++) {
                const int8_t *at = first + 4 * word + pixel * rows->pixel_bytes;
                put_word(hb_load_word(at), tile + pixel);
            }
            tile += 2 * PIXELS;
        }
    }
    return tile;
}
#endif

uint32_t hb_conv_2d_s8xs8_dsp_depth(const struct hb_conv_args *args) {
    const uint32_t terms = (uint32_t)(args->filter_h * args->filter_w * args->in_c);
    return (terms + 3u) & ~3u;
}

static uint32_t tile_words(const struct hb_conv_args *args) {
    return PIXELS * hb_conv_2d_s8xs8_dsp_depth(args) / 2u;
}

/* The last tile's output when it isn't full. */
static uint32_t staged_bytes(const struct hb_conv_args *args) {
    return (PIXELS * (uint32_t)args->out_c + 3u) & ~3u;
}

uint64_t hb_conv_2d_s8xs8_dsp_scratch_bytes(const struct hb_conv_args *args) {
    return 4u * (uint64_t)tile_words(args) + staged_bytes(args) + hb_ring_bytes(args, 1);
}

bool hb_conv_2d_s8xs8_dsp_in_place(const struct hb_conv_args *args) {
    return hb_is_in_place_by_rows(args);
}

void hb_conv_p8(const struct hb_conv_args *given, const int32_t *stream, int32_t first_channel,
                int32_t channels) {
    const struct hb_conv_args args = hb_flatten(given);
    const int32_t filter_row = args.filter_w * args.in_c, step = args.params.stride_w * args.in_c;
    uint32_t *tile = args.scratch, *tile_end = tile + tile_words(&args);
    int8_t *staged = (int8_t *)tile_end;
    struct source source = {
        .rows =
            {
                .row_bytes = args.in_w * args.in_c,
                .rows = args.filter_h,
                .words = filter_row / 4,
                .pixel_bytes = step,
            },
        .rest = filter_row % 4,
    };
    struct hb_feed feed = {.args = &args, .image = args.input};
    if (hb_is_padded(&args)) {
        feed.ring = staged + staged_bytes(&args);
        source.rows.row_bytes = (int32_t)hb_padded_row_bytes(&args, 1);
        source.rows.ring_bytes = args.filter_h * source.rows.row_bytes;
        hb_fill_bytes(feed.ring, -args.params.input_offset, source.rows.ring_bytes);
    }
    struct hb_matmul_args matmul = {
        .tile = tile,
        .tile_end = tile_end,
        .stream = stream,
        .out = (int8_t *)args.output + first_channel,
        .pixel_bytes = args.out_c,
        .zero_point = args.params.output_offset,
        .channels = channels,
    };
    hb_matmul_p8 *const multiply = hb_choose_matmul_p8(&matmul);
    int32_t filled = 0;
    for (int32_t batch = 0; batch < args.batches; batch++, feed.loaded = 0) {
        for (int32_t y = 0; y < args.out_h; y++) {
            source.first =
                hb_seek(&feed, source.rows.row_bytes, y, 1, &source.rows.rows_after_wrap);
            for (int32_t x = 0; x < args.out_w;) {
                if (filled == 0 && args.out_w - x >= PIXELS) {
                    fill_three(&source, x * step, tile);
                    filled = PIXELS;
                    x += PIXELS;
                } else {
                    fill_pixel(&source, x * step, tile + filled++);
                    x++;
                }
                if (filled < PIXELS) continue;
                multiply(&matmul);
                matmul.out += PIXELS * args.out_c;
                filled = 0;
            }
        }
        feed.image += args.in_h * args.in_w * args.in_c;
    }
    if (filled == 0) return;
    int8_t *out = matmul.out;
    matmul.out = staged;
    multiply(&matmul);
    for (int32_t pixel = 0; pixel < filled; pixel++) {
        hb_copy_bytes(out + pixel * args.out_c, staged + pixel * args.out_c, channels);
    }
}

void hb_conv_2d_s8xs8_dsp(const struct hb_conv_args *args) {
    hb_conv_p8(args, args->weights, 0, args->out_c);
}
