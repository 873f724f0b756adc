/* Depthwise convolution, eight channels at a time: each channel's taps are lanes of a vector.
 *
 * A line runs along u, the axis of the output that wastes less of the groups of four outputs; lines
 * follow each other along v.  Every channel has a diagonal strip of its own (hb_mve.h). */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

#define BLOCK ((int32_t)HB_DEPTHWISE_BLOCK)
#define PIXELS ((int32_t)HB_DEPTHWISE_PIXELS)

struct axis {
    int32_t in, out, taps, stride, pad, in_step, out_step; /* steps in bytes */
};

struct axes {
    struct axis u, v;
};

static int64_t groups_of(int64_t outputs) { return (outputs + PIXELS - 1) / PIXELS; }

static struct axes axes_of(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const struct axis x = {
        args->in_w, args->out_w, args->filter_w, p->stride_w, p->pad_left, args->in_c, args->out_c,
    };
    const struct axis y = {
        args->in_h, args->out_h, args->filter_h, p->stride_h, p->pad_top,
        args->in_w * args->in_c, args->out_w * args->out_c,
    };
    const bool along_height = args->out_w * groups_of(args->out_h) <
                              args->out_h * groups_of(args->out_w);
    return along_height ? (struct axes){y, x} : (struct axes){x, y};
}

static int64_t columns_of(const struct axis *u) {
    return (int64_t)(u->out - 1) * u->stride + u->taps;
}

/* Bytes of a channel's strip. */
static uint64_t pitch_of(const struct axes *axes) {
    return hb_strip_elements((uint64_t)columns_of(&axes->u), (uint64_t)axes->v.taps,
                             (uint64_t)axes->v.out, (uint64_t)axes->v.stride);
}

uint32_t hb_depthwise_conv_2d_s8xs8_mve_depth(const struct hb_conv_args *args) {
    return (uint32_t)hb_whole_vectors((uint64_t)args->filter_h * (uint64_t)args->filter_w);
}

bool hb_depthwise_conv_2d_s8xs8_mve_takes(const struct hb_conv_args *args) {
    const struct axes axes = axes_of(args);
    return args->out_c % 2 == 0 && pitch_of(&axes) <= HB_DEPTHWISE_MAX_PITCH &&
           axes.u.out_step <= (int32_t)HB_DEPTHWISE_MAX_OUT_STEP;
}

uint64_t hb_depthwise_conv_2d_s8xs8_mve_scratch_bytes(const struct hb_conv_args *args) {
    const struct axes axes = axes_of(args);
    const uint64_t step = (uint64_t)axes.u.stride * (uint64_t)axes.v.taps;
    return HB_DEPTHWISE_BLOCK * pitch_of(&axes) + HB_DEPTHWISE_PIXELS * step +
           hb_depthwise_conv_2d_s8xs8_mve_depth(args);
}

/* Of the same shape, an output line takes the place of an input line that is in the strips. */
bool hb_depthwise_conv_2d_s8xs8_mve_in_place(const struct hb_conv_args *args) {
    return args->params.stride_h == 1 && args->params.stride_w == 1 && args->in_h == args->out_h &&
           args->in_w == args->out_w && args->in_c == args->out_c;
}

/* Up to eight channels' strips, and how their lines are fed. */
struct strips {
    int8_t *first;
    int32_t pitch, columns;
    int32_t left, width, right; /* columns: padding, input, padding */
    int32_t zero;
    struct axes axes;
};

static struct strips strips_of(const struct hb_conv_args *args) {
    const struct axes axes = axes_of(args);
    const int32_t columns = (int32_t)columns_of(&axes.u), room = columns - axes.u.pad;
    const int32_t width = axes.u.in < room ? axes.u.in : room;
    return (struct strips){
        .first = args->scratch,
        .pitch = (int32_t)pitch_of(&axes),
        .columns = columns,
        .left = axes.u.pad,
        .width = width,
        .right = room - width,
        .zero = -args->params.input_offset,
        .axes = axes,
    };
}

#if HB_MVE_ASM

static inline uint16x8_t offsets_of(const struct strips *strips) {
    return vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)strips->pitch);
}

static int8_t *spread_line(const struct strips *strips, int8_t *to, const int8_t *from,
                           int32_t channels) {
    const uint16x8_t offsets = offsets_of(strips);
    const int32_t in_step = strips->axes.u.in_step, step = strips->axes.v.taps;
    int32_t columns = strips->width;
    if (channels == BLOCK) {
#pragma GCC unroll 8
        for (; columns > 0; columns--, from += in_step, to += step) {
            vstrbq_scatter_offset_s16(to, offsets, vldrbq_s16(from));
        }
        return to;
    }
    const mve_pred16_t p = vctp16q((uint32_t)channels);
    for (; columns > 0; columns--, from += in_step, to += step) {
        vstrbq_scatter_offset_p_s16(to, offsets, vldrbq_z_s16(from, p), p);
    }
    return to;
}

static int8_t *fill_line(const struct strips *strips, int8_t *to, int32_t columns) {
    const uint16x8_t offsets = offsets_of(strips);
    const int16x8_t values = vdupq_n_s16((int16_t)strips->zero);
    for (; columns > 0; columns--, to += strips->axes.v.taps) {
        vstrbq_scatter_offset_s16(to, offsets, values);
    }
    return to;
}

#else

static int8_t *spread_line(const struct strips *strips, int8_t *to, const int8_t *from,
                           int32_t channels) {
    for (int32_t i = 0; i < strips->width; i++) {
        for (int32_t c = 0; c < channels; c++) to[c * strips->pitch] = from[c];
        from += strips->axes.u.in_step;
        to += strips->axes.v.taps;
    }
    return to;
}

static int8_t *fill_line(const struct strips *strips, int8_t *to, int32_t columns) {
    for (; columns > 0; columns--, to += strips->axes.v.taps) {
        for (int32_t c = 0; c < BLOCK; c++) to[c * strips->pitch] = (int8_t)strips->zero;
    }
    return to;
}

#endif

/* Padded line `at` of up to eight channels; `image`: the first of them. */
static void load_line(const struct strips *strips, int8_t *to, const int8_t *image, int32_t at,
                      int32_t channels) {
    const struct axis *v = &strips->axes.v;
    const int32_t line = at - v->pad;
    if (line < 0 || line >= v->in) {
        (void)fill_line(strips, to, strips->columns);
        return;
    }
    to = fill_line(strips, to, strips->left);
    to = spread_line(strips, to, image + line * v->in_step, channels);
    (void)fill_line(strips, to, strips->right);
}

typedef void line_kernel(const struct hb_line_mve *args);

#if HB_MVE_ASM

line_kernel hb_depthwise_line_mve_3, hb_depthwise_line_mve_3_relu;
line_kernel hb_depthwise_line_mve_6, hb_depthwise_line_mve_6_relu;
line_kernel hb_depthwise_line_mve_any;

static line_kernel *choose_line(const struct hb_line_mve *args) {
    if (args->vectors != 1 || args->act_min != -128 || args->act_max != 127) {
        return hb_depthwise_line_mve_any;
    }
    const bool relu = args->zero_point == -128;
    if (args->step == 3) return relu ? hb_depthwise_line_mve_3_relu : hb_depthwise_line_mve_3;
    if (args->step == 6) return relu ? hb_depthwise_line_mve_6_relu : hb_depthwise_line_mve_6;
    return hb_depthwise_line_mve_any;
}

#else

static void run_line(const struct hb_line_mve *args) {
    const int32_t words = args->record_words;
    for (int32_t channel = 0; channel < 2 * args->pairs; channel++) {
        const int32_t *record = args->records + channel / 2 * words;
        const int8_t *weights = (const int8_t *)(record + 8) + channel % 2 * 16;
        const int32_t *scale = record + words - 4 + channel % 2 * 2;
        const int8_t *under =
            args->strip + channel / 2 * args->to_next + channel % 2 * args->to_b;
        for (int32_t i = 0; i < PIXELS * args->groups + args->rest; i++, under += args->step) {
            uint32_t sum = (uint32_t)record[channel % 2 * 4];
            for (int32_t k = 0; k < 16 * args->vectors; k++) {
                sum += (uint32_t)(under[k] * weights[k / 16 * 32 + k % 16]);
            }
            args->out[channel + i * args->out_step] =
                hb_requantize_mve((int32_t)sum, scale[0], scale[1], args->zero_point,
                                  args->act_min, args->act_max);
        }
    }
}

static line_kernel *choose_line(const struct hb_line_mve *args) {
    (void)args;
    return run_line;
}

#endif

/* All pairs of the outputs of `channels` input channels.  With a multiplier each pair is a call of
 * its own, since both may read the same strip. */
static void run_block(line_kernel *kernel, struct hb_line_mve *line, int32_t pitch,
                      int32_t channels, int32_t multiplier) {
    if (multiplier == 1) {
        line->pairs = channels / 2;
        line->to_b = pitch;
        line->to_next = 2 * pitch;
        kernel(line);
        return;
    }
    const int8_t *strips = line->strip;
    const int32_t *records = line->records;
    line->pairs = 1;
    for (int32_t c = 0; c < channels * multiplier; c += 2) {
        line->strip = strips + c / multiplier * pitch;
        line->to_b = ((c + 1) / multiplier - c / multiplier) * pitch;
        kernel(line);
        line->out += 2;
        line->records += line->record_words;
    }
    line->records = records;
}

/* All lines of up to eight channels; `image` and `out`: the first of them. */
static void run_lines(const struct strips *strips, line_kernel *kernel, struct hb_line_mve *line,
                      const int8_t *image, int8_t *out, int32_t channels, int32_t multiplier) {
    const struct axis *v = &strips->axes.v;
    int32_t loaded = 0;
    for (int32_t y = 0; y < v->out; y++, out += v->out_step) {
        const int32_t first = y * v->stride;
        int8_t *to = strips->first;
        if (loaded < first) loaded = first;
        if (v->taps <= v->stride) to -= first;
        for (; loaded < first + v->taps; loaded++) {
            load_line(strips, to + loaded, image, loaded, channels);
        }
        line->strip = to + first;
        line->out = out;
        run_block(kernel, line, strips->pitch, channels, multiplier);
    }
}

void hb_depthwise_conv_2d_s8xs8_mve(const struct hb_conv_args *args) {
    const struct strips strips = strips_of(args);
    const struct axis *u = &strips.axes.u, *v = &strips.axes.v;
    const int32_t multiplier = args->params.depth_multiplier;
    const int32_t vectors = (int32_t)hb_depthwise_conv_2d_s8xs8_mve_depth(args) / 16;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    struct hb_line_mve line = {
        .groups = u->out / PIXELS,
        .rest = u->out % PIXELS,
        .out_step = u->out_step,
        .zero_point = args->params.output_offset,
        .act_min = args->params.act_min,
        .act_max = args->params.act_max,
        .step = u->stride * v->taps,
        .vectors = vectors,
        .record_words = (int32_t)HB_DEPTHWISE_FIXED_WORDS + 8 * vectors,
    };
    line_kernel *const kernel = choose_line(&line);
    for (int32_t batch = 0; batch < args->batches; batch++) {
        line.records = args->weights;
        for (int32_t c = 0; c < args->in_c; c += BLOCK) {
            const int32_t channels = args->in_c - c < BLOCK ? args->in_c - c : BLOCK;
            run_lines(&strips, kernel, &line, image + c, out + c * multiplier, channels,
                      multiplier);
            line.records += channels * multiplier / 2 * line.record_words;
        }
        image += args->in_h * args->in_w * args->in_c;
        out += args->out_h * args->out_w * args->out_c;
    }
}
