/* Maximum pool, sixteen channels at a time. */
#include "mve/hb_mve.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

struct window {
    const int8_t *first;
    int32_t height, width, row_step, step; /* steps in bytes */
};

static void position(const struct hb_pool_args *args, const struct window *window, int8_t *out) {
    const int32_t low = args->params.act_min, high = args->params.act_max;
    for (int32_t c = 0; c < args->channels; c += 16) {
        const int8_t *row = window->first + c;
#if HB_MVE_ASM
        const mve_pred16_t p = vctp8q((uint32_t)(args->channels - c));
        int8x16_t best = vdupq_n_s8((int8_t)low);
        for (int32_t y = 0; y < window->height; y++, row += window->row_step) {
            const int8_t *at = row;
            for (int32_t x = 0; x < window->width; x++, at += window->step) {
                best = vmaxq_s8(best, vldrbq_z_s8(at, p));
            }
        }
        vstrbq_p_s8(out + c, vminq_s8(best, vdupq_n_s8((int8_t)high)), p);
#else
        const int32_t channels = args->channels - c < 16 ? args->channels - c : 16;
        for (int32_t i = 0; i < channels; i++) {
            int32_t best = low;
            for (int32_t y = 0; y < window->height; y++) {
                for (int32_t x = 0; x < window->width; x++) {
                    const int32_t value = row[y * window->row_step + x * window->step + i];
                    if (value > best) best = value;
                }
            }
            out[c + i] = (int8_t)(best < high ? best : high);
        }
#endif
    }
}

void hb_max_pool_2d_s8_mve(const struct hb_pool_args *args) {
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
