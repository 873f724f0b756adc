/* Convolution by tiles: the bytes under 6 output pixels are paired once, then multiplied by all
 * output channels.  Padded input rows lie in a ring of filter_h rows; without padding the tiles are
 * filled from the input itself. */
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

#define PIXELS HB_THUMB1_PIXELS
#define STEP (2 * HB_THUMB1_TAP_WORDS) /* words from two taps to the next two */

/* Where the bytes under an output row lie. */
struct source {
    const int8_t *first;     /* filter row 0, column 0 of the output row */
    int32_t row_bytes;       /* from a row to the next */
    int32_t rows_after_wrap; /* of `rows`, how many lie at the ring's start; 0: no ring */
    int32_t ring_bytes;
    int32_t rows;
    int32_t run;         /* bytes of a filter row */
    int32_t pixel_bytes; /* from a pixel's first byte to the next pixel's */
};

/* The next filter row; `left`: how many are still to come, it included. */
static const int8_t *next_row(const struct source *source, const int8_t *row, int32_t left) {
    row += source->row_bytes;
    return left == source->rows_after_wrap ? row - source->ring_bytes : row;
}

static inline uint32_t pair(const int8_t *even, const int8_t *odd) {
    return (uint32_t)(int32_t)*even + ((uint32_t)(int32_t)*odd << 16);
}

/* Two pixels side by side. */
static void fill_pair(const struct source *source, const int8_t *row, uint32_t *to) {
    uint32_t *odd = to + 1; /* the next tap's word */
    for (int32_t left = source->rows; left > 0; row = next_row(source, row, --left)) {
        const int8_t *x = row, *y = row + source->pixel_bytes, *end = x + source->run;
        if (odd == to + 1) {
            for (; end - x >= 4; x += 4, y += 4, to += 2 * STEP) {
                to[0] = pair(x, y);
                to[1] = pair(x + 1, y + 1);
                to[STEP] = pair(x + 2, y + 2);
                to[STEP + 1] = pair(x + 3, y + 3);
            }
            odd = to + 1;
        }
        for (; x != end; x++, y++) {
            uint32_t *const next = odd;
            *to = pair(x, y);
            odd = to + STEP;
            to = next;
        }
    }
}

/* One pixel: the even one of a pair, or the odd one after it. */
static void fill_one(const struct source *source, const int8_t *row, uint32_t *to, bool is_odd) {
    uint32_t *odd = to + 1;
    for (int32_t left = source->rows; left > 0; row = next_row(source, row, --left)) {
        for (const int8_t *x = row, *end = x + source->run; x != end; x++) {
            uint32_t *const next = odd;
            *to = is_odd ? *to + ((uint32_t)(int32_t)*x << 16) : (uint32_t)(int32_t)*x;
            odd = to + STEP;
            to = next;
        }
    }
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

uint32_t hb_conv_2d_s8xs8_thumb1_depth(const struct hb_conv_args *args) {
    const uint32_t terms = (uint32_t)(args->filter_h * args->filter_w * args->in_c);
    return (terms + 3u) & ~3u;
}

static uint32_t tile_words(const struct hb_conv_args *args) {
    return HB_THUMB1_TAP_WORDS * hb_conv_2d_s8xs8_thumb1_depth(args);
}

uint64_t hb_conv_2d_s8xs8_thumb1_scratch_bytes(const struct hb_conv_args *args) {
    const uint64_t ring = is_padded(args) ? (uint64_t)args->filter_h * padded_row_bytes(args) : 0u;
    return 4u * (uint64_t)tile_words(args) + ring;
}

static bool is_pointwise(const struct hb_conv_args *args) {
    return args->filter_h == 1 && args->filter_w == 1 && args->params.stride_h == 1 &&
           args->params.stride_w == 1;
}

/* Bytes of input in the ring or behind it when output row `y` begins, less what has been written
 * when it ends. */
static int64_t lead_bytes(const struct hb_conv_args *args, int64_t y) {
    const int64_t below = y * args->params.stride_h + args->filter_h - args->params.pad_top;
    const int64_t rows = below < args->in_h ? below : args->in_h;
    return rows * args->in_w * args->in_c - (y + 1) * args->out_w * args->out_c;
}

/* A pixel's input is read before its output is written: a tile at a time, or, through the ring, a
 * row at a time (the lead is concave in y: it is least at one of the ends). */
bool hb_conv_2d_s8xs8_thumb1_in_place(const struct hb_conv_args *args) {
    if (args->batches != 1) return false;
    if (is_pointwise(args)) return args->out_c <= args->in_c;
    return is_padded(args) && lead_bytes(args, 0) >= 0 && lead_bytes(args, args->out_h - 1) >= 0;
}

static void copy(int8_t *to, const int8_t *from, int32_t bytes) {
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
        for (; bytes >= 16; bytes -= 16, to += 16, from += 16) {
            const uint32_t *const words = (const uint32_t *)(const void *)from;
            uint32_t *const out = (uint32_t *)(void *)to;
            const uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
            out[0] = a;
            out[1] = b;
            out[2] = c;
            out[3] = d;
        }
    }
    for (; bytes > 0; bytes--) *to++ = *from++;
}

static void fill(int8_t *to, int32_t value, int32_t bytes) {
    for (; bytes > 0; bytes--) *to++ = (int8_t)value;
}

/* The input rows of one image, through the ring where there is padding. */
struct feed {
    const struct hb_conv_args *args;
    const int8_t *image;
    int8_t *ring;   /* NULL: no padding */
    int32_t loaded; /* padded rows seen so far */
};

static void load_row(const struct feed *feed, int32_t row_bytes, int32_t padded_row) {
    const struct hb_conv_args *args = feed->args;
    const int32_t left = args->params.pad_left * args->in_c;
    const int32_t room = row_bytes - left, input_bytes = args->in_w * args->in_c;
    const int32_t bytes = input_bytes < room ? input_bytes : room;
    int8_t *to = feed->ring + padded_row % args->filter_h * row_bytes + left;
    const int32_t y = padded_row - args->params.pad_top;
    if (y >= 0 && y < args->in_h) copy(to, feed->image + y * input_bytes, bytes);
    else fill(to, -args->params.input_offset, bytes);
}

static void seek(struct feed *feed, struct source *source, int32_t out_y) {
    const struct hb_conv_args *args = feed->args;
    const int32_t first = out_y * args->params.stride_h, row_bytes = source->row_bytes;
    if (feed->ring == 0) {
        source->first = feed->image + first * row_bytes;
        return;
    }
    if (feed->loaded < first) feed->loaded = first;
    for (; feed->loaded < first + args->filter_h; feed->loaded++) {
        load_row(feed, row_bytes, feed->loaded);
    }
    source->rows_after_wrap = first % args->filter_h;
    source->first = feed->ring + source->rows_after_wrap * row_bytes;
}

/* 1x1 over every position: one long row. */
static struct hb_conv_args flatten(const struct hb_conv_args *args) {
    struct hb_conv_args flat = *args;
    if (is_pointwise(args)) {
        flat.in_w = flat.out_w = args->batches * args->in_h * args->in_w;
        flat.batches = flat.in_h = flat.out_h = 1;
    }
    return flat;
}

void hb_conv_2d_s8xs8_thumb1(const struct hb_conv_args *given) {
    const struct hb_conv_args args = flatten(given);
    const int32_t step = args.params.stride_w * args.in_c;
    uint32_t *tile = args.scratch, *tile_end = tile + tile_words(&args);
    struct source source = {
        .row_bytes = args.in_w * args.in_c,
        .rows = args.filter_h,
        .run = args.filter_w * args.in_c,
        .pixel_bytes = step,
    };
    struct feed feed = {.args = &args, .image = args.input};
    if (is_padded(&args)) {
        feed.ring = (int8_t *)tile_end;
        source.row_bytes = (int32_t)padded_row_bytes(&args);
        source.ring_bytes = args.filter_h * source.row_bytes;
        fill(feed.ring, -args.params.input_offset, source.ring_bytes);
    }
    struct hb_thumb1_matmul matmul = {
        .tile = tile,
        .tile_end = tile_end,
        .stream = args.weights,
        .out = args.output,
        .stride = args.out_c,
        .channels = args.out_c,
    };
    for (int32_t batch = 0; batch < args.batches; batch++, feed.loaded = 0) {
        for (int32_t y = 0; y < args.out_h; y++) {
            seek(&feed, &source, y);
            for (int32_t x = 0; x < args.out_w;) {
                const int8_t *const first = source.first + x * step;
                uint32_t *const to = tile + (matmul.pixels & ~1);
                if (matmul.pixels % 2 == 0 && args.out_w - x >= 2) {
                    fill_pair(&source, first, to);
                    matmul.pixels += 2;
                    x += 2;
                } else {
                    fill_one(&source, first, to, matmul.pixels % 2 != 0);
                    matmul.pixels++;
                    x++;
                }
                if (matmul.pixels < PIXELS) continue;
                hb_matmul_thumb1(&matmul);
                matmul.out += PIXELS * args.out_c;
                matmul.pixels = 0;
            }
        }
        feed.image += args.in_h * args.in_w * args.in_c;
    }
    if (matmul.pixels > 0) hb_matmul_thumb1(&matmul);
}
