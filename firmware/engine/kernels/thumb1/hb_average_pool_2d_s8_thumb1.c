/* Average pool: four channels at a time, as sums of unsigned bytes in the halves of two words. */
#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

#define LANES 0x00FF00FFu
#define SIGNS 0x80808080u /* x + 128 as an unsigned byte */
#define RECIPROCAL_BITS 23

/* sum / count, half away from zero.  The quotient is exact: with r = 2^23 / count + 1, rounded down,
 * and n <= 128.5 count, n (r count - 2^23) <= 128.5 * 255 * 255 < 2^23. */
static int8_t mean(const struct hb_image_pool *p, uint32_t lanes, uint32_t count,
                   uint32_t reciprocal) {
    const int32_t sum = (int32_t)(lanes & 0xFFFFu) - (int32_t)(128u * count);
    const uint32_t size = (uint32_t)(sum < 0 ? -sum : sum) + count / 2u;
    const int32_t quotient = (int32_t)(size * reciprocal >> RECIPROCAL_BITS);
    return (int8_t)hb_clamp(sum < 0 ? -quotient : quotient, p->act_min, p->act_max);
}

static void position(const struct hb_pool_args *args, const int8_t *image, struct hb_taps rows,
                     struct hb_taps columns, int8_t *out) {
    const int32_t wide = columns.end - columns.first, channels = args->channels;
    const uint32_t count = (uint32_t)((rows.end - rows.first) * wide);
    const uint32_t reciprocal = (1u << RECIPROCAL_BITS) / count + 1u;
    const int8_t *corner = image + ((rows.origin + rows.first) * args->in_w + columns.origin +
                                    columns.first) * channels;
    for (int32_t c = 0; c < channels; c += 4) {
        uint32_t even = 0, odd = 0;
        const int8_t *row = corner + c;
        for (int32_t ky = rows.first; ky < rows.end; ky++, row += args->in_w * channels) {
            const int8_t *x = row;
            for (int32_t kx = 0; kx < wide; kx++, x += channels) {
                const uint32_t word = *(const uint32_t *)(const void *)x ^ SIGNS;
                even += word & LANES;
                odd += word >> 8 & LANES;
            }
        }
        out[c] = mean(&args->params, even, count, reciprocal);
        out[c + 1] = mean(&args->params, odd, count, reciprocal);
        out[c + 2] = mean(&args->params, even >> 16, count, reciprocal);
        out[c + 3] = mean(&args->params, odd >> 16, count, reciprocal);
    }
}

void hb_average_pool_2d_s8_thumb1(const struct hb_pool_args *args) {
    const struct hb_image_pool *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, 1, p->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++, out += args->channels) {
                const struct hb_taps columns =
                    hb_taps(x, p->stride_w, p->pad_left, 1, p->filter_w, args->in_w);
                position(args, image, rows, columns, out);
            }
        }
        image += args->in_h * args->in_w * args->channels;
    }
}
