/* Convolution by tiles: the bytes under 3 output pixels are widened to int16 once, then multiplied
 * by all output channels.  Padded input rows lie in a ring of filter_h rows; without padding the
 * tiles are filled from the input itself. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"

#define PIXELS 3

struct source {
    const int8_t *first;    /* first filter row under the current output row */
    const int8_t *wrap;     /* end of the ring, or NULL */
    int32_t ring_bytes;
    int32_t row_bytes;      /* from an input row to the next */
    int32_t rows;           /* filter_h */
    int32_t words, rest;    /* of a filter row: whole words, bytes left */
};

static const int8_t *next_row(const struct source *source, const int8_t *row) {
    row += source->row_bytes;
    return row == source->wrap ? row - source->ring_bytes : row;
}

/* `words` words of each of three pixels that lie `step` bytes apart. */
static inline uint32_t *widen3(const int8_t *a, int32_t step, int32_t words, uint32_t *to) {
    const int8_t *b = a + step, *c = b + step;
#if HB_DSP_ASM
#define WIDEN                                                                                      \
    "ldr r4, [%0], #4\n ldr r5, [%1], #4\n ldr r6, [%2], #4\n"                                     \
    "sxtb16 r8, r4, ror #8\n sxtb16 r4, r4\n sxtb16 r9, r5, ror #8\n sxtb16 r5, r5\n"              \
    "sxtb16 r10, r6, ror #8\n sxtb16 r6, r6\n stm %3!, {r4-r6, r8-r10}\n"
#define WIDEN_ASM(code)                                                                            \
    __asm__ volatile(code                                                                          \
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(to)                                         \
                     :                                                                             \
                     : "r4", "r5", "r6", "r8", "r9", "r10", "memory")
    for (; words >= 4; words -= 4) WIDEN_ASM(WIDEN WIDEN WIDEN WIDEN);
    for (; words > 0; words--) WIDEN_ASM(WIDEN);
#else
    for (; words > 0; words--, a += 4, b += 4, c += 4, to += 2 * PIXELS) {
        const uint32_t pixels[PIXELS] = {hb_load_word(a), hb_load_word(b), hb_load_word(c)};
        for (int32_t i = 0; i < PIXELS; i++) {
            to[i] = hb_even_bytes(pixels[i]);
            to[PIXELS + i] = hb_odd_bytes(pixels[i]);
        }
    }
#endif
    return to;
}

static inline uint32_t *put_word(uint32_t word, uint32_t *to) {
    to[0] = hb_even_bytes(word);
    to[PIXELS] = hb_odd_bytes(word);
    return to + 2 * PIXELS;
}

/* What is left of each filter row, for one pixel; `at`: from a row's start. */
static void widen_rests(const struct source *source, int32_t at, uint32_t *to) {
    const int8_t *row = source->first;
    uint32_t word = 0, bits = 0;
    for (int32_t y = 0; y < source->rows; y++, row = next_row(source, row)) {
        for (int32_t i = 0; i < source->rest; i++) {
            word |= (uint32_t)(uint8_t)row[at + 4 * source->words + i] << bits;
            bits += 8u;
            if (bits < 32u) continue;
            to = put_word(word, to);
            word = bits = 0;
        }
    }
    if (bits > 0u) put_word(word, to);
}

static void fill_pixel(const struct source *source, int32_t at, uint32_t *to) {
    const int8_t *row = source->first;
    for (int32_t y = 0; y < source->rows; y++, row = next_row(source, row)) {
        for (int32_t i = 0; i < source->words; i++) {
            to = put_word(hb_load_word(row + at + 4 * i), to);
        }
    }
    if (source->rest > 0) widen_rests(source, at, to);
}

static void fill_three(const struct source *source, int32_t at, int32_t step, uint32_t *to) {
    const int8_t *row = source->first;
    for (int32_t y = 0; y < source->rows; y++, row = next_row(source, row)) {
        to = widen3(row + at, step, source->words, to);
    }
    if (source->rest == 0) return;
    for (int32_t i = 0; i < PIXELS; i++) widen_rests(source, at + i * step, to + i);
}

static bool is_padded(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    return p->pad_top > 0 || p->pad_left > 0 ||
           (args->out_h - 1) * p->stride_h + args->filter_h > args->in_h ||
           (args->out_w - 1) * p->stride_w + args->filter_w > args->in_w;
}

static uint64_t padded_row_bytes(const struct hb_conv_args *args) {
    const uint64_t columns =
        (uint64_t)(args->out_w - 1) * args->params.stride_w + (uint64_t)args->filter_w;
    return (columns * (uint64_t)args->in_c + 3u) & ~UINT64_C(3);
}

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
    const uint64_t ring = is_padded(args) ? (uint64_t)args->filter_h * padded_row_bytes(args) : 0u;
    return 4u * (uint64_t)tile_words(args) + staged_bytes(args) + ring;
}

static void copy(int8_t *to, const int8_t *from, int32_t bytes) {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) memcpy(to, from, 16);
    for (; bytes > 0; bytes--) *to++ = *from++;
}

static void fill(int8_t *to, int32_t value, int32_t bytes) {
    for (; bytes > 0; bytes--) *to++ = (int8_t)value;
}

/* The input rows of one image under an output row, through the ring where there is padding. */
struct rows {
    const struct hb_conv_args *args;
    const int8_t *image;
    int8_t *ring;        /* NULL: no padding */
    int32_t loaded;      /* padded rows seen so far */
};

static void load_row(struct rows *rows, const struct source *source, int32_t padded_row) {
    const struct hb_conv_args *args = rows->args;
    const int32_t left = args->params.pad_left * args->in_c;
    const int32_t room = source->row_bytes - left, input_bytes = args->in_w * args->in_c;
    const int32_t bytes = input_bytes < room ? input_bytes : room;
    int8_t *to = rows->ring + padded_row % args->filter_h * source->row_bytes + left;
    const int32_t y = padded_row - args->params.pad_top;
    if (y >= 0 && y < args->in_h) copy(to, rows->image + y * input_bytes, bytes);
    else fill(to, -args->params.input_offset, bytes);
}

static void seek(struct rows *rows, struct source *source, int32_t out_y) {
    const struct hb_conv_args *args = rows->args;
    const int32_t first = out_y * args->params.stride_h;
    if (rows->ring == NULL) {
        source->first = rows->image + first * source->row_bytes;
        return;
    }
    if (rows->loaded < first) rows->loaded = first;
    for (; rows->loaded < first + args->filter_h; rows->loaded++) {
        load_row(rows, source, rows->loaded);
    }
    source->first = rows->ring + first % args->filter_h * source->row_bytes;
}

/* 1x1 over every position: one long row. */
static struct hb_conv_args flatten(const struct hb_conv_args *args) {
    struct hb_conv_args flat = *args;
    const struct hb_image_conv *p = &args->params;
    if (args->filter_h == 1 && args->filter_w == 1 && p->stride_h == 1 && p->stride_w == 1) {
        flat.in_w = flat.out_w = args->batches * args->in_h * args->in_w;
        flat.batches = flat.in_h = flat.out_h = 1;
    }
    return flat;
}

void hb_conv_2d_s8xs8_dsp(const struct hb_conv_args *given) {
    const struct hb_conv_args args = flatten(given);
    const int32_t filter_row = args.filter_w * args.in_c, step = args.params.stride_w * args.in_c;
    uint32_t *tile = args.scratch, *tile_end = tile + tile_words(&args);
    int8_t *staged = (int8_t *)tile_end;
    struct source source = {
        .row_bytes = args.in_w * args.in_c,
        .rows = args.filter_h,
        .words = filter_row / 4,
        .rest = filter_row % 4,
    };
    struct rows rows = {.args = &args, .image = args.input};
    if (is_padded(&args)) {
        rows.ring = staged + staged_bytes(&args);
        source.row_bytes = (int32_t)padded_row_bytes(&args);
        source.ring_bytes = source.rows * source.row_bytes;
        source.wrap = rows.ring + source.ring_bytes;
        fill(rows.ring, -args.params.input_offset, source.ring_bytes);
    }
    struct hb_matmul_args matmul = {
        .out = args.output,
        .pixel_bytes = args.out_c,
        .zero_point = args.params.output_offset,
        .channels = args.out_c,
    };
    int32_t filled = 0;
    for (int32_t batch = 0; batch < args.batches; batch++, rows.loaded = 0) {
        for (int32_t y = 0; y < args.out_h; y++) {
            seek(&rows, &source, y);
            for (int32_t x = 0; x < args.out_w;) {
                if (filled == 0 && args.out_w - x >= PIXELS) {
                    fill_three(&source, x * step, step, tile);
                    filled = PIXELS;
                    x += PIXELS;
                } else {
                    fill_pixel(&source, x * step, tile + filled++);
                    x++;
                }
                if (filled < PIXELS) continue;
                hb_matmul_p8(tile, tile_end, args.weights, &matmul);
                matmul.out += PIXELS * args.out_c;
                filled = 0;
            }
        }
        rows.image += args.in_h * args.in_w * args.in_c;
    }
    if (filled == 0) return;
    int8_t *out = matmul.out;
    matmul.out = staged;
    hb_matmul_p8(tile, tile_end, args.weights, &matmul);
    copy(out, staged, filled * args.out_c);
}
