/* Each output: 0.0f, plus the products in the order filter row, filter column, input channel,
 * plus the bias, then the clamp: float32 throughout, without contraction, so that any IEEE 754
 * implementation that keeps the order gives the same bytes. */
#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

static void dot4(const float *x, const float *w, int32_t row, int32_t count, float acc[4]) {
    const float *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
    float a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; i++) {
        const float value = x[i];
        a0 += value * w[i];
        a1 += value * w1[i];
        a2 += value * w2[i];
        a3 += value * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static float dot(const float *x, const float *w, int32_t count, float acc) {
    for (int32_t i = 0; i < count; i++) acc += x[i] * w[i];
    return acc;
}

static float finish(const struct hb_conv_args *args, float acc, int32_t channel) {
    const float *bias = args->bias;
    if (bias != 0) acc += bias[channel];
    return hb_clamp_f(acc, args->params.act_min_f, args->params.act_max_f);
}

static void position(const struct hb_conv_args *args, const float *image, struct hb_taps rows,
                     struct hb_taps columns, float *out) {
    const struct hb_image_conv *p = &args->params;
    const int32_t channel_size = args->filter_h * args->filter_w * args->in_c;
    const int32_t adjacent = p->dilation_w == 1 ? columns.end - columns.first : 1;
    const int32_t run = adjacent * args->in_c;

    for (int32_t channel = 0; channel < args->out_c; channel += 4) {
        const int32_t left = args->out_c - channel;
        const float *w_channel = (const float *)args->weights + channel * channel_size;
        float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int32_t ky = rows.first; ky < rows.end; ky++) {
            const float *row = image + (rows.origin + ky * p->dilation_h) * args->in_w * args->in_c;
            for (int32_t kx = columns.first; kx < columns.end; kx += adjacent) {
                const float *x = row + (columns.origin + kx * p->dilation_w) * args->in_c;
                const float *w = w_channel + (ky * args->filter_w + kx) * args->in_c;
                if (left >= 4) {
                    dot4(x, w, channel_size, run, acc);
                    continue;
                }
                for (int32_t i = 0; i < left; i++) {
                    acc[i] = dot(x, w + i * channel_size, run, acc[i]);
                }
            }
        }
        for (int32_t i = 0; i < 4 && i < left; i++) {
            out[channel + i] = finish(args, acc[i], channel + i);
        }
    }
}

void hb_conv_2d_f32xf32_ref(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const float *image = args->input;
    float *out = args->output;
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
