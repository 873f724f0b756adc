#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

static int8_t finish(const struct hb_conv_args *args, int32_t acc, int32_t channel) {
    const int32_t *bias = args->bias;
    if (bias != 0) acc = hb_wrapping_add(acc, bias[channel]);
    acc = hb_requantize(acc, args->multiplier[channel], args->shift[channel]);
    acc = hb_wrapping_add(acc, args->params.output_offset);
    return (int8_t)hb_clamp(acc, args->params.act_min, args->params.act_max);
}

/* Four neighbouring channels of one output position, depth multiplier 1. */
static void four_channels(const struct hb_conv_args *args, const int8_t *image,
                          struct hb_taps rows, struct hb_taps columns, int32_t channel,
                          int8_t *out) {
    const struct hb_image_conv *p = &args->params;
    const int32_t depth = args->out_c, offset = p->input_offset;
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int32_t y = rows.origin + ky * p->dilation_h;
        const int32_t x0 = columns.origin + columns.first * p->dilation_w;
        const int8_t *x = image + (y * args->in_w + x0) * depth + channel;
        const int8_t *w = (const int8_t *)args->weights +
                          (ky * args->filter_w + columns.first) * depth + channel;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            a0 += (x[0] + offset) * w[0];
            a1 += (x[1] + offset) * w[1];
            a2 += (x[2] + offset) * w[2];
            a3 += (x[3] + offset) * w[3];
            x += p->dilation_w * depth;
            w += depth;
        }
    }
    out[0] = finish(args, a0, channel);
    out[1] = finish(args, a1, channel + 1);
    out[2] = finish(args, a2, channel + 2);
    out[3] = finish(args, a3, channel + 3);
}

static int8_t one_channel(const struct hb_conv_args *args, const int8_t *image,
                          struct hb_taps rows, struct hb_taps columns, int32_t in_channel,
                          int32_t channel) {
    const struct hb_image_conv *p = &args->params;
    const int8_t *weights = (const int8_t *)args->weights + channel;
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int32_t y = rows.origin + ky * p->dilation_h;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            const int32_t x = columns.origin + kx * p->dilation_w;
            const int32_t value = image[(y * args->in_w + x) * args->in_c + in_channel];
            acc += (value + p->input_offset) * weights[(ky * args->filter_w + kx) * args->out_c];
        }
    }
    return finish(args, acc, channel);
}

static void position(const struct hb_conv_args *args, const int8_t *image, struct hb_taps rows,
                     struct hb_taps columns, int8_t *out) {
    const int32_t multiplier = args->params.depth_multiplier;
    int32_t channel = 0;
    if (multiplier == 1) {
        for (; channel + 4 <= args->out_c; channel += 4) {
            four_channels(args, image, rows, columns, channel, out + channel);
        }
    }
    for (; channel < args->out_c; channel++) {
        out[channel] = one_channel(args, image, rows, columns, channel / multiplier, channel);
    }
}

void hb_depthwise_conv_2d_s8xs8_ref(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, p->dilation_h, args->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++) {
                const struct hb_taps columns = hb_taps(x, p->stride_w, p->pad_left, p->dilation_w,
                                                       args->filter_w, args->in_w);
                position(args, image, rows, columns, out);
                out += args->out_c;
            }
        }
        image += args->in_h * args->in_w * args->in_c;
    }
}
