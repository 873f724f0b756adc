/* Convolution 3 x 3 of stride 1 by Winograd's algorithm (hb_winograd_dsp.h).  Padded input rows lie
 * in a ring of four.  Groups of 2 x 8 outputs, four tiles: the data under them is transformed once,
 * then multiplied by all pairs of output channels, whose sums are transformed one pair at a time.
 * Groups that reach beyond the output are staged. */
#include "dsp/hb_winograd_dsp.h"
#include "hb_kernels.h"

#define ROWS 4                             /* under a tile, and so is their number of columns */
#define GROUP_W (2 * HB_WINOGRAD_TILES)    /* outputs */
#define GROUP_COLUMNS (GROUP_W + ROWS - 2) /* under a group */
/* Of four channels, as two pairs: rows of B' d, GROUP_COLUMNS words each. */
#define COLUMN_WORDS (2 * ROWS * GROUP_COLUMNS)

static inline uint32_t add_pairs(uint32_t a, uint32_t b) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("sadd16 %0, %1, %2" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return ((a + b) & 0xFFFFu) | ((a & 0xFFFF0000u) + (b & 0xFFFF0000u));
#endif
}

static inline uint32_t subtract_pairs(uint32_t a, uint32_t b) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("ssub16 %0, %1, %2" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return ((a - b) & 0xFFFFu) | ((a & 0xFFFF0000u) - (b & 0xFFFF0000u));
#endif
}

/* B' times a column of four pairs. */
static inline void put_column(uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3, uint32_t *to) {
    to[0] = subtract_pairs(d0, d2);
    to[GROUP_COLUMNS] = add_pairs(d1, d2);
    to[2 * GROUP_COLUMNS] = subtract_pairs(d2, d1);
    to[3 * GROUP_COLUMNS] = subtract_pairs(d1, d3);
}

/* B' d for four channels of all columns under a group; `first`: the first column's, in each row. */
static void transform_columns(const int8_t *const first[ROWS], int32_t column_bytes,
                              uint32_t *columns) {
    const int8_t *row0 = first[0], *row1 = first[1], *row2 = first[2], *row3 = first[3];
    uint32_t *const end = columns + GROUP_COLUMNS;
    while (columns != end) {
        const uint32_t d0 = hb_load_word(row0), d1 = hb_load_word(row1);
        const uint32_t d2 = hb_load_word(row2), d3 = hb_load_word(row3);
        put_column(hb_even_bytes(d0), hb_even_bytes(d1), hb_even_bytes(d2), hb_even_bytes(d3),
                   columns);
        put_column(hb_odd_bytes(d0), hb_odd_bytes(d1), hb_odd_bytes(d2), hb_odd_bytes(d3),
                   columns + ROWS * GROUP_COLUMNS);
        row0 += column_bytes;
        row1 += column_bytes;
        row2 += column_bytes;
        row3 += column_bytes;
        columns++;
    }
}

/* A row of B' d times B, for all tiles; `to`: position (i, 0), `to1`: (i, 1). */
static inline void transform_row(const uint32_t *columns, uint32_t *to, uint32_t *to1,
                                 int32_t position_words) {
    uint32_t *to2 = to1 + position_words, *to3 = to2 + position_words;
    uint32_t d0 = columns[0], d1 = columns[1];
#pragma GCC unroll 4
    for (int32_t tile = 0; tile < HB_WINOGRAD_TILES; tile++) {
        const uint32_t d2 = columns[2 * tile + 2], d3 = columns[2 * tile + 3];
        to[tile] = subtract_pairs(d0, d2);
        to1[tile] = add_pairs(d1, d2);
        to2[tile] = subtract_pairs(d2, d1);
        to3[tile] = subtract_pairs(d1, d3);
        d0 = d2;
        d1 = d3;
    }
}

/* B' d B for the pair of channels whose columns these are. */
static void transform_rows(const uint32_t *columns, uint32_t *to, int32_t position_words) {
    transform_row(columns, to + 11 * position_words, to + 12 * position_words, position_words);
    columns += GROUP_COLUMNS;
    transform_row(columns, to + 15 * position_words, to, position_words);
    columns += GROUP_COLUMNS;
    transform_row(columns, to + 3 * position_words, to + 4 * position_words, position_words);
    columns += GROUP_COLUMNS;
    transform_row(columns, to + 7 * position_words, to + 8 * position_words, position_words);
}

/* B' d B of all channels of a group; `first`: its first column in each row. */
static inline void transform_group(const int8_t *first[ROWS], int32_t in_c, uint32_t *columns,
                                   uint32_t *data) {
    for (int32_t k = 0; k < in_c; k += 4, data += 2 * HB_WINOGRAD_TILES) {
        transform_columns(first, in_c, columns);
        transform_rows(columns, data, 2 * in_c);
        transform_rows(columns + COLUMN_WORDS / 2, data + HB_WINOGRAD_TILES, 2 * in_c);
        for (int32_t i = 0; i < ROWS; i++) first[i] += 4;
    }
}

/* All output channels of a group whose data has been transformed. */
static void run_group(const struct hb_conv_args *args, struct hb_winograd_args multiply,
                      struct hb_winograd_outputs outputs) {
    hb_winograd_multiply *const kernel = hb_choose_winograd_multiply(args->in_c);
    hb_winograd_finish *const finish = hb_choose_winograd_finish(outputs.zero_point);
    const int8_t *const end = outputs.above + args->out_c;
    while (outputs.above != end) {
        outputs.scales = kernel(&multiply);
        finish(&outputs);
        multiply.stream = outputs.scales + 4;
        outputs.above += 2;
        outputs.below += 2;
    }
}

static uint64_t padded_row_bytes(const struct hb_conv_args *args) {
    const uint64_t groups = ((uint64_t)args->out_w + GROUP_W - 1u) / GROUP_W;
    return (GROUP_W * groups + GROUP_COLUMNS - GROUP_W) * (uint64_t)args->in_c;
}

static uint32_t data_words(const struct hb_conv_args *args) {
    return HB_WINOGRAD_POSITIONS * HB_WINOGRAD_TILES * (uint32_t)args->in_c / 2u;
}

uint64_t hb_conv_2d_s8xs8_winograd_dsp_scratch_bytes(const struct hb_conv_args *args) {
    const uint64_t words = (uint64_t)data_words(args) + HB_WINOGRAD_SUMS + COLUMN_WORDS;
    return 4u * words + ROWS * padded_row_bytes(args) + 2u * GROUP_W * (uint64_t)args->out_c;
}

bool hb_conv_2d_s8xs8_winograd_dsp_takes(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    return args->filter_h == 3 && args->filter_w == 3 && p->stride_h == 1 && p->stride_w == 1 &&
           args->in_c % 4 == 0 && args->out_c % 2 == 0;
}

/* Two rows of output are written once the input rows under them, and under the tiles, are in the
 * ring. */
bool hb_conv_2d_s8xs8_winograd_dsp_in_place(const struct hb_conv_args *args) {
    if (args->batches != 1) return false;
    for (int32_t y = 0; y < args->out_h; y += 2) {
        const int32_t below = y + ROWS - args->params.pad_top;
        const int32_t read = below < args->in_h ? below : args->in_h;
        const int32_t written = y + 2 < args->out_h ? y + 2 : args->out_h;
        const int64_t read_bytes = (int64_t)read * args->in_w * args->in_c;
        if (read_bytes < (int64_t)written * args->out_w * args->out_c) return false;
    }
    return true;
}

static void load_row(const struct hb_conv_args *args, const int8_t *image, int8_t *row,
                     int32_t padded_row) {
    const int32_t bytes = args->in_w * args->in_c, y = padded_row - args->params.pad_top;
    int8_t *to = row + args->params.pad_left * args->in_c;
    if (y >= 0 && y < args->in_h) hb_copy_bytes(to, image + y * bytes, bytes);
    else hb_fill_bytes(to, -args->params.input_offset, bytes);
}

/* The staged outputs that exist. */
static void copy_group(const struct hb_conv_args *args, const int8_t *staged, int8_t *out,
                       int32_t rows, int32_t columns) {
    for (int32_t row = 0; row < rows; row++) {
        hb_copy_bytes(out + row * args->out_w * args->out_c, staged + row * GROUP_W * args->out_c,
                      columns * args->out_c);
    }
}

void hb_conv_2d_s8xs8_winograd_dsp(const struct hb_conv_args *args) {
    const int32_t in_c = args->in_c, out_c = args->out_c;
    const int32_t row_bytes = (int32_t)padded_row_bytes(args);
    uint32_t *const data = args->scratch, *const sums = data + data_words(args);
    uint32_t *const columns = sums + HB_WINOGRAD_SUMS;
    int8_t *const ring = (int8_t *)(columns + COLUMN_WORDS);
    int8_t *const staged = ring + ROWS * row_bytes;
    const struct hb_winograd_args multiply = {
        .data = data, .stream = args->weights, .sums = sums, .position_bytes = 8 * in_c};
    const int8_t *image = args->input;
    int8_t *out = args->output;
    hb_fill_bytes(ring, -args->params.input_offset, ROWS * row_bytes);
    for (int32_t batch = 0; batch < args->batches; batch++) {
        int32_t loaded = 0;
        for (int32_t y = 0; y < args->out_h; y += 2) {
            const int32_t rows_left = args->out_h - y;
            for (; loaded < y + ROWS; loaded++) {
                load_row(args, image, ring + loaded % ROWS * row_bytes, loaded);
            }
            for (int32_t x = 0; x < args->out_w; x += GROUP_W) {
                const int8_t *first[ROWS];
                for (int32_t i = 0; i < ROWS; i++) {
                    first[i] = ring + (y + i) % ROWS * row_bytes + x * in_c;
                }
                transform_group(first, in_c, columns, data);
                const int32_t columns_left = args->out_w - x;
                int8_t *const to = out + (y * args->out_w + x) * out_c;
                const bool whole = rows_left >= 2 && columns_left >= GROUP_W;
                int8_t *const above = whole ? to : staged;
                const struct hb_winograd_outputs outputs = {
                    .sums = sums,
                    .above = above,
                    .below = above + (whole ? args->out_w : GROUP_W) * out_c,
                    .pixel_bytes = out_c,
                    .zero_point = args->params.output_offset,
                };
                run_group(args, multiply, outputs);
                if (whole) continue;
                copy_group(args, staged, to, rows_left < 2 ? rows_left : 2,
                           columns_left < GROUP_W ? columns_left : GROUP_W);
            }
        }
        image += args->in_h * args->in_w * in_c;
        out += args->out_h * args->out_w * out_c;
    }
}
