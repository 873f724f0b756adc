#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

static int16_t window(const struct hb_pool_args *args, const int16_t *image, struct hb_taps rows,
                     struct hb_taps columns, int32_t channel) {
    const struct hb_image_pool *p = &args->params;
    const int32_t count = (rows.end - rows.first) * (columns.end - columns.first);
    int32_t sum = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int32_t at = (rows.origin + ky) * args->in_w + columns.origin + columns.first;
        const int16_t *x = image + at * args->channels + channel;
        for (int32_t kx = columns.first; kx < columns.end; kx++, x += args->channels) {
            sum += *x;
        }
    }
    /* Round half away from zero. */
    const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
    return (int16_t)hb_clamp(mean, p->act_min, p->act_max);
}

void hb_average_pool_2d_s16_ref(const struct hb_pool_args *args) {
    const struct hb_image_pool *p = &args->params;
    const int16_t *image = args->input;
    int16_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, 1, p->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++) {
                const struct hb_taps columns =
                    hb_taps(x, p->stride_w, p->pad_left, 1, p->filter_w, args->in_w);
                for (int32_t channel = 0; channel < args->channels; channel++) {
                    *out++ = window(args, image, rows, columns, channel);
                }
            }
        }
        image += args->in_h * args->in_w * args->channels;
    }
}
