/* Convolutions of every scheme: the bytes under two output pixels times all output channels.  Rows
 * go through a diagonal strip (hb_mve.h); where a pixel's bytes are contiguous already, they are
 * read from the input itself.  An odd pixel at the end of a row waits for the next row's first. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

static bool is_padded(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    return p->pad_top > 0 || p->pad_left > 0 ||
           (args->out_h - 1) * p->stride_h + args->filter_h > args->in_h ||
           (args->out_w - 1) * p->stride_w + args->filter_w > args->in_w;
}

/* Whole vectors under every pixel, no padding, one row. */
static bool is_direct(const struct hb_conv_args *args, const struct hb_conv_format_mve *format) {
    const int32_t bytes = args->filter_w * args->in_c * format->element_bytes;
    return args->filter_h == 1 && bytes % format->block_bytes == 0 && !is_padded(args);
}

static bool is_pointwise(const struct hb_conv_args *args) {
    return args->filter_h == 1 && args->filter_w == 1 && args->params.stride_h == 1 &&
           args->params.stride_w == 1;
}

static uint32_t groups_of(const struct hb_conv_args *args) {
    return ((uint32_t)args->out_c + HB_MATMUL_CHANNELS - 1u) / HB_MATMUL_CHANNELS;
}

uint32_t hb_conv_mve_depth_bytes(const struct hb_conv_args *args,
                                 const struct hb_conv_format_mve *format) {
    const uint64_t terms = (uint64_t)args->filter_h * (uint64_t)args->filter_w *
                           (uint64_t)args->in_c;
    const uint64_t block = (uint64_t)format->block_bytes;
    return (uint32_t)((terms * (uint64_t)format->element_bytes + block - 1u) / block * block);
}

static uint64_t columns_of(const struct hb_conv_args *args) {
    return (uint64_t)(args->out_w - 1) * args->params.stride_w + (uint64_t)args->filter_w;
}

uint64_t hb_conv_mve_scratch_bytes(const struct hb_conv_args *args,
                                   const struct hb_conv_format_mve *format) {
    uint64_t strip = 0;
    if (!is_direct(args, format)) {
        strip = hb_strip_elements(columns_of(args), (uint64_t)args->filter_h,
                                  (uint64_t)args->out_h, args->params.stride_h) *
                    (uint64_t)args->in_c * (uint64_t)format->element_bytes +
                (uint64_t)format->block_bytes;
    }
    return 32u * (uint64_t)groups_of(args) + hb_conv_mve_depth_bytes(args, format) + strip;
}

/* Bytes of input in the strip or behind it when output row `y` begins, less what has been written
 * when it ends. */
static int64_t lead_bytes(const struct hb_conv_args *args, int64_t y) {
    const int64_t below = y * args->params.stride_h + args->filter_h - args->params.pad_top;
    const int64_t rows = below < args->in_h ? below : args->in_h;
    return rows * args->in_w * args->in_c - (y + 1) * args->out_w * args->out_c;
}

/* A pixel's input is read before its output is written: a pair at a time, or, through the strip, a
 * row at a time (the lead is concave in y: it is least at one of the ends). */
bool hb_conv_mve_in_place(const struct hb_conv_args *args,
                          const struct hb_conv_format_mve *format) {
    if (args->batches != 1) return false;
    if (is_direct(args, format)) return is_pointwise(args) && args->out_c <= args->in_c;
    return lead_bytes(args, 0) >= 0 && lead_bytes(args, args->out_h - 1) >= 0;
}

/* The input rows of one image, through the strip unless they are read where they lie. */
struct feed {
    const int8_t *image;
    int8_t *strip;  /* NULL: direct */
    int32_t loaded; /* padded rows seen so far */
    int32_t taps, stride, pad_top, in_h, row_bytes;
    int32_t left, width, right; /* columns: padding, input, padding */
    int32_t zero;
    struct hb_spread spread;
};

static struct feed feed_of(const struct hb_conv_args *args, int32_t bytes, int8_t *strip) {
    const int32_t columns = (int32_t)columns_of(args), left = args->params.pad_left;
    const int32_t room = columns - left, width = args->in_w < room ? args->in_w : room;
    struct feed feed = {
        .image = args->input,
        .strip = strip,
        .taps = args->filter_h,
        .stride = args->params.stride_h,
        .pad_top = args->params.pad_top,
        .in_h = args->in_h,
        .row_bytes = args->in_w * bytes,
        .left = left,
        .width = width,
        .right = room - width,
        .zero = -args->params.input_offset,
    };
    if (strip != NULL) hb_spread_init(&feed.spread, bytes, args->filter_h * bytes);
    return feed;
}

static void load_row(const struct feed *feed, int8_t *to, int32_t padded_row) {
    const struct hb_spread *spread = &feed->spread;
    const int32_t y = padded_row - feed->pad_top;
    if (y < 0 || y >= feed->in_h) {
        hb_spread_fill_mve(spread, to, feed->zero, feed->left + feed->width + feed->right);
        return;
    }
    if (feed->left > 0) hb_spread_fill_mve(spread, to, feed->zero, feed->left);
    to += feed->left * spread->step;
    hb_spread_mve(spread, to, feed->image + y * feed->row_bytes, feed->width);
    if (feed->right == 0) return;
    hb_spread_fill_mve(spread, to + feed->width * spread->step, feed->zero, feed->right);
}

/* Where the bytes under the first pixel of an output row lie. */
static const int8_t *seek(struct feed *feed, int32_t out_y) {
    const int32_t first = out_y * feed->stride;
    if (feed->strip == NULL) return feed->image + first * feed->row_bytes;
    if (feed->loaded < first) feed->loaded = first;
    int8_t *strip = feed->strip;
    if (feed->taps <= feed->stride) strip -= first * feed->spread.bytes;
    for (; feed->loaded < first + feed->taps; feed->loaded++) {
        load_row(feed, strip + feed->loaded * feed->spread.bytes, feed->loaded);
    }
    return strip + first * feed->spread.bytes;
}

/* 1x1 over every position: one long row. */
static struct hb_conv_args flatten(const struct hb_conv_args *args,
                                   const struct hb_conv_format_mve *format) {
    struct hb_conv_args flat = *args;
    if (is_pointwise(args) && is_direct(args, format)) {
        flat.in_w = flat.out_w = args->batches * args->in_h * args->in_w;
        flat.batches = flat.in_h = flat.out_h = 1;
    }
    return flat;
}

struct run {
    struct hb_matmul_mve matmul;
    hb_matmul_kernel_mve *kernel;
    int32_t depth_bytes;
};

static void run_pairs(struct run *run, const int8_t *a, const int8_t *b, int32_t pairs) {
    run->matmul.a = a;
    run->matmul.b = b;
    run->matmul.pairs = pairs;
    run->kernel(&run->matmul, run->depth_bytes);
}

void hb_conv_mve(const struct hb_conv_args *given, const struct hb_conv_format_mve *format) {
    const struct hb_conv_args args = flatten(given, format);
    const bool direct = is_direct(&args, format);
    const int32_t bytes = args.in_c * format->element_bytes;
    const int32_t pixel = args.params.stride_w * (direct ? bytes : args.filter_h * bytes);
    const int32_t groups = (int32_t)groups_of(&args);
    int32_t *sums = args.scratch;
    int8_t *waiting = (int8_t *)(sums + 8 * groups); /* bytes under a pixel without a partner */
    struct run run = {
        .kernel = format->matmul,
        .depth_bytes = (int32_t)hb_conv_mve_depth_bytes(&args, format),
        .matmul = {
            .step = 2 * pixel,
            .stream = args.weights,
            .groups = groups,
            .sums = sums,
            .out = args.output,
            .channels = args.out_c,
            .to_b = args.out_c * format->element_bytes,
            .zero_point = args.params.output_offset,
            .act_min = args.params.act_min,
            .act_max = args.params.act_max,
        },
    };
    struct feed feed = feed_of(&args, bytes, direct ? NULL : waiting + run.depth_bytes);
    bool is_waiting = false;
    for (int32_t batch = 0; batch < args.batches; batch++, feed.loaded = 0) {
        for (int32_t y = 0; y < args.out_h; y++) {
            const int8_t *at = seek(&feed, y);
            int32_t left = args.out_w;
            if (is_waiting) {
                run_pairs(&run, waiting, at, 1);
                at += pixel;
                left--;
            }
            if (left > 1) run_pairs(&run, at, at + pixel, left / 2);
            is_waiting = left % 2 == 1;
            if (is_waiting) hb_copy_mve(waiting, at + (left - 1) * pixel, run.depth_bytes);
        }
        feed.image += args.in_h * feed.row_bytes;
    }
    if (!is_waiting) return;
    run.matmul.to_b = 0;
    run_pairs(&run, waiting, waiting, 1);
}
