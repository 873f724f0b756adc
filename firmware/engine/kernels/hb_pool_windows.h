/* Walks the windows of a pool. */
#ifndef HB_POOL_WINDOWS_H
#define HB_POOL_WINDOWS_H

#include "hb_geometry.h"
#include "hb_kernels.h"

/* What of a window lies inside the input. */
struct hb_window {
    const int8_t *first;
    int32_t height, width;
    int32_t row_step, step; /* bytes to the next row, to the next column */
};

typedef void hb_window_kernel(const struct hb_pool_args *args, const struct hb_window *window,
                              int8_t *out);

static inline __attribute__((always_inline)) void
hb_for_each_window(const struct hb_pool_args *args, hb_window_kernel *const kernel) {
    const struct hb_image_pool *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    struct hb_window window = {.row_step = args->in_w * args->channels, .step = args->channels};
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, 1, p->filter_h, args->in_h);
            window.height = rows.end - rows.first;
            const int8_t *const row = image + (rows.origin + rows.first) * window.row_step;
            for (int32_t x = 0; x < args->out_w; x++, out += args->channels) {
                const struct hb_taps columns =
                    hb_taps(x, p->stride_w, p->pad_left, 1, p->filter_w, args->in_w);
                window.width = columns.end - columns.first;
                window.first = row + (columns.origin + columns.first) * window.step;
                kernel(args, &window, out);
            }
        }
        image += args->in_h * window.row_step;
    }
}

#endif
