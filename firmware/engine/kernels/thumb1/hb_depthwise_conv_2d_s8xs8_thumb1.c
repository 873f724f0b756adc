/* Depthwise convolution by channels and lines.  Lines run along the output's longer axis; those
 * under a line of output lie widened and padded in a ring, side by side: word [column][slot].  So
 * that a filter column is at hand in the ring's order whatever slot holds the first line, its rows
 * are written out twice: 0, 1, 2, 0, 1. */
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

/* One axis of the image. */
struct axis {
    int32_t in, out, filter, stride, pad;
    int32_t in_bytes, out_bytes; /* from a position to the next */
};

static bool is_along_height(const struct hb_conv_args *args) { return args->out_h > args->out_w; }

static struct axis axis_of(const struct hb_conv_args *args, bool height) {
    const struct hb_image_conv *p = &args->params;
    if (height) {
        return (struct axis){args->in_h,  args->out_h,   args->filter_h,          p->stride_h,
                             p->pad_top, args->in_w * args->in_c, args->out_w * args->out_c};
    }
    return (struct axis){args->in_w,  args->out_w, args->filter_w, p->stride_w,
                         p->pad_left, args->in_c,  args->out_c};
}

static int64_t columns_of(const struct axis *along) {
    return (int64_t)(along->out - 1) * along->stride + along->filter;
}

/* Words of a filter column, written out twice but for the last row. */
static int32_t column_words(int32_t rows) { return 2 * rows - 1; }

/* Ring, filter, accumulators. */
uint64_t hb_depthwise_conv_2d_s8xs8_thumb1_scratch_bytes(const struct hb_conv_args *args) {
    const struct axis along = axis_of(args, is_along_height(args));
    const int32_t rows = is_along_height(args) ? args->filter_w : args->filter_h;
    return 4u * (uint64_t)(rows * columns_of(&along) + column_words(rows) * along.filter +
                           along.out);
}

bool hb_depthwise_conv_2d_s8xs8_thumb1_in_place(const struct hb_conv_args *args) {
    return args->params.stride_h == 1 && args->params.stride_w == 1 && args->in_h == args->out_h &&
           args->in_w == args->out_w;
}

/* `count` bytes, widened into every `step`th word. */
static int32_t *widen(const int8_t *from, int32_t bytes, int32_t count, int32_t *to, int32_t step) {
#pragma GCC unroll 4
    for (; count > 0; count--, from += bytes, to += step) *to = *from;
    return to;
}

static int32_t *repeat(int32_t value, int32_t count, int32_t *to, int32_t step) {
    for (; count > 0; count--, to += step) *to = value;
    return to;
}

/* An input line, or padding where there is none. */
static void load_line(const struct axis *along, const int8_t *line, int32_t zero, int32_t *to,
                      int32_t step) {
    const int32_t columns = (int32_t)columns_of(along);
    if (line == 0) {
        repeat(zero, columns, to, step);
        return;
    }
    const int32_t room = columns - along->pad, inside = along->in < room ? along->in : room;
    to = repeat(zero, along->pad, to, step);
    to = widen(line, along->in_bytes, inside, to, step);
    repeat(zero, room - inside, to, step);
}

static void write_out(const int8_t *weights, int32_t taps, int32_t rows, int32_t *to) {
    const int32_t words = column_words(rows);
    for (int32_t word = 0; word < words; word++) {
        const int8_t *from = weights + (word < rows ? word : word - rows) * taps;
        for (int32_t tap = 0; tap < taps; tap++) to[tap * words + word] = from[tap];
    }
}

#if !HB_THUMB1_ASM
void hb_depthwise_line_3x3_thumb1(const int32_t *x, const int32_t *w, uint32_t *acc,
                                  uint32_t *end, uint32_t start, int32_t stride) {
    int32_t weights[9];
    for (int32_t i = 0; i < 9; i++) weights[i] = w[5 * (i / 3) + i % 3];
    for (; acc != end; acc++, x += 3 * stride) {
        uint32_t sum = start;
        for (int32_t i = 0; i < 9; i++) sum += (uint32_t)(x[i] * weights[i]);
        *acc = sum;
    }
}
#endif

static void line_any(const int32_t *x, const int32_t *w, const struct axis *along, int32_t rows,
                     uint32_t *acc, const uint32_t *end, uint32_t start) {
    for (; acc != end; acc++, x += rows * along->stride) {
        uint32_t sum = start;
        for (int32_t tap = 0; tap < along->filter; tap++) {
            const int32_t *column = x + tap * rows, *weights = w + tap * column_words(rows);
            for (int32_t i = 0; i < rows; i++) sum += (uint32_t)(column[i] * weights[i]);
        }
        *acc = sum;
    }
}

static void channel(const struct hb_conv_args *args, const struct axis *along,
                    const struct axis *across, const int8_t *image, const uint32_t *record,
                    int8_t *out) {
    const int32_t rows = across->filter, taps = rows * along->filter;
    const bool is_3x3 = rows == 3 && along->filter == 3 && along->stride <= 2;
    const int8_t *weights = (const int8_t *)(record + 1);
    const struct hb_thumb1_scale *scale = hb_thumb1_scale_at(record + 1 + (taps + 3) / 4);
    int32_t *ring = args->scratch, *filter = ring + rows * (int32_t)columns_of(along);
    uint32_t *acc = (uint32_t *)(filter + column_words(rows) * along->filter);
    uint32_t *const end = acc + along->out;
    int32_t loaded = 0, slot = 0;
    write_out(weights, along->filter, rows, filter);
    for (int32_t j = 0; j < across->out; j++, out += across->out_bytes) {
        const int32_t first = j * across->stride;
        if (loaded < first) {
            loaded = first;
            slot = first % rows;
        }
        for (; loaded < first + rows; loaded++) {
            const int32_t line = loaded - across->pad;
            const int8_t *from = line >= 0 && line < across->in ? image + line * across->in_bytes
                                                                : 0;
            load_line(along, from, -args->params.input_offset, ring + slot, rows);
            if (++slot == rows) slot = 0;
        }
        /* the slot to be filled next holds the filter's row 0 */
        const int32_t *turned = filter + (slot > 0 ? rows - slot : 0);
        if (is_3x3) {
            hb_depthwise_line_3x3_thumb1(ring, turned, acc, end, record[0], along->stride);
        } else {
            line_any(ring, turned, along, rows, acc, end, record[0]);
        }
        hb_requantize_thumb1(acc, end, scale, out, along->out_bytes);
    }
}

void hb_depthwise_conv_2d_s8xs8_thumb1(const struct hb_conv_args *args) {
    const struct axis along = axis_of(args, is_along_height(args));
    const struct axis across = axis_of(args, !is_along_height(args));
    const int32_t words =
        HB_THUMB1_FIXED_WORDS + (args->filter_h * args->filter_w + 3) / 4;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        const uint32_t *record = args->weights;
        for (int32_t c = 0; c < args->out_c; c++, record += words) {
            channel(args, &along, &across, image + c, record, out + c);
        }
        image += args->in_h * args->in_w * args->in_c;
        out += args->out_h * args->out_w * args->out_c;
    }
}
