#include <string.h>

#include "hb_movement.h"

void hb_resize_nearest_ref(const struct hb_resize_args *args) {
    const uint32_t pixel = args->pixel_bytes, row_bytes = (uint32_t)args->in_w * pixel;
    const uint8_t *in = args->input;
    uint8_t *out = args->output;
    for (int32_t n = 0; n < args->batches; n++, in += (uint32_t)args->in_h * row_bytes) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const uint8_t *row = in + (uint32_t)args->rows[y] * row_bytes;
            for (int32_t x = 0; x < args->out_w; x++, out += pixel) {
                memcpy(out, row + (uint32_t)args->columns[x] * pixel, pixel);
            }
        }
    }
}
