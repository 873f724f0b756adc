/* Depthwise convolution, 3x3, four channels at a time.
 *
 * A line runs along the longer of the output's two axes, u; lines follow each other along the
 * other, v.  Each input line is widened once into pairs of neighbours, and three lines stay in a
 * ring; the filter's rows are rotated instead of the ring. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"

#define TAPS 3
#define CHANNELS 4
#define RECORD_WORDS HB_DEPTHWISE_RECORD_WORDS

struct axis {
    int32_t in, out, stride, pad, in_step, out_step; /* steps in bytes */
};

struct axes {
    struct axis u, v;
};

static struct axes axes_of(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const struct axis x = {args->in_w, args->out_w, p->stride_w, p->pad_left, args->in_c,
                           args->in_c};
    const struct axis y = {args->in_h, args->out_h, p->stride_h, p->pad_top,
                           args->in_w * args->in_c, args->out_w * args->in_c};
    return args->out_h > args->out_w ? (struct axes){y, x} : (struct axes){x, y};
}

/* Pairs of a line. */
static int32_t pairs_of(const struct axis *u) {
    return u->stride == 1 ? (u->out + 1) / 2 + 1 : u->out + 1;
}

bool hb_depthwise_conv_2d_s8xs8_dsp_takes(const struct hb_conv_args *args) {
    const struct axis u = axes_of(args).u;
    return args->filter_h == TAPS && args->filter_w == TAPS && args->in_c == args->out_c &&
           args->in_c % CHANNELS == 0 && u.stride <= 2 && u.out >= 2;
}

uint64_t hb_depthwise_conv_2d_s8xs8_dsp_scratch_bytes(const struct hb_conv_args *args) {
    const struct axis u = axes_of(args).u;
    return (uint64_t)pairs_of(&u) * (CHANNELS * TAPS * sizeof(uint32_t));
}

/* Of the same shape, an output line takes the place of an input line that is in the ring. */
bool hb_depthwise_conv_2d_s8xs8_dsp_in_place(const struct hb_conv_args *args) {
    return args->params.stride_h == 1 && args->params.stride_w == 1 && args->in_h == args->out_h &&
           args->in_w == args->out_w;
}

/* A pair of neighbours, four channels each, to its place in four channels' lines. */
static inline uint32_t *put_pair(uint32_t a, uint32_t b, uint32_t *to, int32_t channel_words) {
    const uint32_t lower = hb_pack_lower(a, b), upper = hb_pack_upper(a, b);
    to[0] = hb_even_bytes(lower);
    to[channel_words] = hb_odd_bytes(lower);
    to[2 * channel_words] = hb_even_bytes(upper);
    to[3 * channel_words] = hb_odd_bytes(upper);
    return to + TAPS;
}

/* Widens an input line, NULL for one outside of the input, into a slot of the ring. */
static void load_line(const struct axis *u, const int8_t *from, uint32_t *to, uint32_t zero) {
    const int32_t pairs = pairs_of(u), channel_words = pairs * TAPS, step = u->in_step;
    const uint32_t *end = to + channel_words;
    if (from != NULL) {
        int32_t left = u->in;
        if (u->pad > 0) {
            to = put_pair(zero, hb_load_word(from), to, channel_words);
            from += step;
            left--;
        }
        const int32_t whole = left / 2, room = (int32_t)(end - to) / TAPS;
        const uint32_t *whole_end = to + TAPS * (whole < room ? whole : room);
#pragma GCC unroll 4
        while (to < whole_end) {
            const uint32_t a = hb_load_word(from), b = hb_load_word(from + step);
            from += 2 * step;
            to = put_pair(a, b, to, channel_words);
        }
        if (left % 2 == 1 && to < end) to = put_pair(hb_load_word(from), zero, to, channel_words);
    }
    while (to < end) to = put_pair(zero, zero, to, channel_words);
}

#if HB_DSP_ASM

typedef void line_kernel(const uint32_t *lines, int8_t *out, const int32_t *records,
                         int32_t first_row_bytes, int32_t out_step, int32_t outputs,
                         int32_t zero_point);
line_kernel hb_depthwise_line_1, hb_depthwise_line_1_relu;
line_kernel hb_depthwise_line_2, hb_depthwise_line_2_relu;

static void run_line(const struct axis *u, const uint32_t *lines, int8_t *out,
                     const int32_t *records, int32_t first_row, int32_t zero_point) {
    static line_kernel *const kernels[2][2] = {
        {hb_depthwise_line_1, hb_depthwise_line_1_relu},
        {hb_depthwise_line_2, hb_depthwise_line_2_relu},
    };
    kernels[u->stride - 1][zero_point == -128](lines, out, records, 8 * first_row, u->out_step,
                                               u->out, zero_point);
}

#else

static int32_t lower(uint32_t pair) { return (int16_t)(pair & 0xFFFFu); }
static int32_t upper(uint32_t pair) { return (int16_t)(pair >> 16); }

static void run_line(const struct axis *u, const uint32_t *lines, int8_t *out,
                     const int32_t *records, int32_t first_row, int32_t zero_point) {
    const int32_t channel_words = pairs_of(u) * TAPS;
    for (int32_t c = 0; c < CHANNELS; c++, lines += channel_words, records += RECORD_WORDS) {
        for (int32_t i = 0; i < u->out; i++) {
            const int32_t tap = i * u->stride;
            uint32_t acc = (uint32_t)records[0];
            for (int32_t slot = 0; slot < TAPS; slot++) {
                const int32_t *row = records + 3 + 2 * (first_row + slot);
                const uint32_t *pair = lines + tap / 2 * TAPS + slot;
                const int32_t x[4] = {lower(pair[0]), upper(pair[0]), lower(pair[TAPS]),
                                      upper(pair[TAPS])};
                const int32_t *first = x + tap % 2;
                acc += (uint32_t)(first[0] * lower((uint32_t)row[0]) +
                                  first[1] * lower((uint32_t)row[1]) +
                                  first[2] * upper((uint32_t)row[1]));
            }
            out[c + i * u->out_step] = hb_requantize_packed((int32_t)acc, records + 1, zero_point);
        }
    }
}

#endif

void hb_depthwise_conv_2d_s8xs8_dsp(const struct hb_conv_args *args) {
    const struct axes axes = axes_of(args);
    const struct axis *u = &axes.u, *v = &axes.v;
    const uint32_t zero = ((uint32_t)-args->params.input_offset & 0xFFu) * 0x01010101u;
    const int32_t zero_point = args->params.output_offset;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    uint32_t *ring = args->scratch;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        const int32_t *records = args->weights;
        for (int32_t c = 0; c < args->in_c; c += CHANNELS, records += CHANNELS * RECORD_WORDS) {
            int32_t loaded = 0;
            for (int32_t line = 0; line < v->out; line++) {
                const int32_t first = line * v->stride;
                if (loaded < first) loaded = first;
                for (; loaded < first + TAPS; loaded++) {
                    const int32_t at = loaded - v->pad;
                    const int8_t *from = at < 0 || at >= v->in ? NULL : image + at * v->in_step + c;
                    load_line(u, from, ring + loaded % TAPS, zero);
                }
                run_line(u, ring, out + line * v->out_step + c, records,
                         (TAPS - first % TAPS) % TAPS, zero_point);
            }
        }
        image += args->in_h * args->in_w * args->in_c;
        out += args->out_h * args->out_w * args->in_c;
    }
}
