/* Walks the windows of a pool. */
#include "mve/hb_mve.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

void hb_pool_windows_mve(const struct hb_pool_args *args, hb_pool_window_kernel *kernel) {
    const struct hb_image_pool *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    struct hb_pool_window window = {
        .row_step = args->in_w * args->channels,
        .step = args->channels,
    };
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
                if (window.width == args->in_w) { /* rows follow each other */
                    window.width *= window.height;
                    window.height = 1;
                }
                kernel(args, &window, out);
            }
        }
        image += args->in_h * args->in_w * args->channels;
    }
}
