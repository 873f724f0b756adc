/* Order of the sum: filter row, filter column; then the bias (see hb_conv_2d_f32xf32_ref.c). */
#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

static float one_channel(const struct hb_conv_args *args, const float *image, struct hb_taps rows,
                         struct hb_taps columns, int32_t in_channel, int32_t channel) {
    const struct hb_image_conv *p = &args->params;
    const float *bias = args->bias;
    const int32_t x_step = p->dilation_w * args->in_c;
    float acc = 0.0f;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int32_t y = rows.origin + ky * p->dilation_h;
        const int32_t x0 = columns.origin + columns.first * p->dilation_w;
        const float *x = image + (y * args->in_w + x0) * args->in_c + in_channel;
        const float *w = (const float *)args->weights +
                         (ky * args->filter_w + columns.first) * args->out_c + channel;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            acc += *x * *w;
            x += x_step;
            w += args->out_c;
        }
    }
    if (bias != 0) acc += bias[channel];
    return hb_clamp_f(acc, p->act_min_f, p->act_max_f);
}

void hb_depthwise_conv_2d_f32xf32_ref(const struct hb_conv_args *args) {
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
                for (int32_t channel = 0; channel < args->out_c; channel++) {
                    *out++ = one_channel(args, image, rows, columns,
                                         channel / p->depth_multiplier, channel);
                }
            }
        }
        image += args->in_h * args->in_w * args->in_c;
    }
}
