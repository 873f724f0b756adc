#include <string.h>

#include "hb_movement.h"

/* One row: dims[3] elements. */
static void move_row(const struct hb_move_args *args, const uint8_t *from, uint8_t *to) {
    const int32_t in = args->in_strides[3], out = args->out_strides[3];
    const int32_t size = (int32_t)args->element_bytes;
    if (in == size && out == size) {
        memcpy(to, from, (uint32_t)args->dims[3] * args->element_bytes);
        return;
    }
    for (int32_t i = 0; i < args->dims[3]; i++, from += in, to += out) {
        switch (size) {
        case 1: *to = *from; break;
        case 2: *(uint16_t *)(void *)to = *(const uint16_t *)(const void *)from; break;
        case 4: *(uint32_t *)(void *)to = *(const uint32_t *)(const void *)from; break;
        default: memcpy(to, from, args->element_bytes); break;
        }
    }
}

void hb_move_ref(const struct hb_move_args *args) {
    const int32_t *n = args->dims, *in = args->in_strides, *out = args->out_strides;
    for (int32_t a = 0; a < n[0]; a++) {
        for (int32_t b = 0; b < n[1]; b++) {
            for (int32_t c = 0; c < n[2]; c++) {
                move_row(args, args->input + a * in[0] + b * in[1] + c * in[2],
                         args->output + a * out[0] + b * out[1] + c * out[2]);
            }
        }
    }
}
