/* Average pool, eight channels at a time in 16-bit sums: at most HB_MVE_POOL_POSITIONS positions. */
#include "mve/hb_mve.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

struct window {
    const int8_t *first;
    int32_t height, width, row_step, step; /* steps in bytes */
};

/* Sums of up to eight channels. */
static void sum_window(const struct window *window, int32_t channel, int32_t channels,
                       int16_t *sums) {
    const int8_t *row = window->first + channel;
#if HB_MVE_ASM
    const mve_pred16_t p = vctp16q((uint32_t)channels);
    int16x8_t sum = vdupq_n_s16(0);
    for (int32_t y = 0; y < window->height; y++, row += window->row_step) {
        const int8_t *at = row;
#pragma GCC unroll 4
        for (int32_t x = 0; x < window->width; x++, at += window->step) {
            sum = vaddq_s16(sum, vldrbq_z_s16(at, p));
        }
    }
    vstrhq_s16(sums, sum);
#else
    for (int32_t c = 0; c < channels; c++) {
        int32_t sum = 0;
        for (int32_t y = 0; y < window->height; y++) {
            for (int32_t x = 0; x < window->width; x++) {
                sum += row[y * window->row_step + x * window->step + c];
            }
        }
        sums[c] = (int16_t)sum;
    }
#endif
}

/* Means, rounded half away from zero. */
static void finish(const struct hb_pool_args *args, const int16_t *sums, int32_t count,
                   int32_t channels, int8_t *out) {
    for (int32_t c = 0; c < channels; c++) {
        const int32_t sum = sums[c];
        const int32_t value = (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
        out[c] = (int8_t)hb_clamp(value, args->params.act_min, args->params.act_max);
    }
}

static void position(const struct hb_pool_args *args, const struct window *window, int8_t *out) {
    const int32_t count = window->height * window->width;
    for (int32_t c = 0; c < args->channels; c += 8) {
        const int32_t channels = args->channels - c < 8 ? args->channels - c : 8;
        int16_t sums[8];
        sum_window(window, c, channels, sums);
        finish(args, sums, count, channels, out + c);
    }
}

void hb_average_pool_2d_s8_mve(const struct hb_pool_args *args) {
    const struct hb_image_pool *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    struct window window = {.row_step = args->in_w * args->channels, .step = args->channels};
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, 1, p->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++, out += args->channels) {
                const struct hb_taps columns =
                    hb_taps(x, p->stride_w, p->pad_left, 1, p->filter_w, args->in_w);
                window.height = rows.end - rows.first;
                window.width = columns.end - columns.first;
                window.first = image + (rows.origin + rows.first) * window.row_step +
                               (columns.origin + columns.first) * window.step;
                position(args, &window, out);
            }
        }
        image += args->in_h * args->in_w * args->channels;
    }
}
