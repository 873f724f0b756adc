#include "hb_dot_s8.h"
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

/* All output channels of one output position.  Without dilation the taps of a filter row are
 * adjacent in memory, so a row is one dot product; with it each tap is one. */
static void position(const struct hb_conv_args *args, const int8_t *image, struct hb_taps rows,
                     struct hb_taps columns, int8_t *out) {
    const struct hb_image_conv *p = &args->params;
    const int32_t channel_bytes = args->filter_h * args->filter_w * args->in_c;
    const int32_t adjacent = p->dilation_w == 1 ? columns.end - columns.first : 1;
    const int32_t run = adjacent * args->in_c;
    const int32_t row_step = p->dilation_h * args->in_w * args->in_c;
    const int8_t *first_row =
        image + (rows.origin + rows.first * p->dilation_h) * args->in_w * args->in_c;

    for (int32_t channel = 0; channel < args->out_c; channel += 4) {
        const int32_t left = args->out_c - channel;
        const int8_t *w_channel = (const int8_t *)args->weights + channel * channel_bytes;
        int32_t acc[4] = {0, 0, 0, 0};
        const int8_t *row = first_row;
        for (int32_t ky = rows.first; ky < rows.end; ky++, row += row_step) {
            for (int32_t kx = columns.first; kx < columns.end; kx += adjacent) {
                const int8_t *x = row + (columns.origin + kx * p->dilation_w) * args->in_c;
                const int8_t *w = w_channel + (ky * args->filter_w + kx) * args->in_c;
                if (left >= 4) {
                    hb_dot4_s8(x, w, channel_bytes, run, p->input_offset, acc);
                    continue;
                }
                for (int32_t i = 0; i < left; i++) {
                    acc[i] = hb_dot_s8(x, w + i * channel_bytes, run, p->input_offset, acc[i]);
                }
            }
        }
        for (int32_t i = 0; i < 4 && i < left; i++) {
            out[channel + i] = finish(args, acc[i], channel + i);
        }
    }
}

void hb_conv_2d_s8xs8_ref(const struct hb_conv_args *args) {
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
