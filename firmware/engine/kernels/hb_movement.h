/* Kernels that move elements of any type.  As in hb_kernels.h, all arguments have been validated. */
#ifndef HB_MOVEMENT_H
#define HB_MOVEMENT_H

#include <stdint.h>

struct hb_move_args {
    const uint8_t *input; /* first element of the box */
    uint8_t *output;
    int32_t dims[4];
    int32_t in_strides[4], out_strides[4]; /* bytes */
    uint32_t element_bytes;                /* 1, 2, 4 or 8 */
};

struct hb_resize_args {
    const uint8_t *input; /* [batches, in_h, in_w, pixel] */
    uint8_t *output;      /* [batches, out_h, out_w, pixel] */
    const int16_t *rows, *columns;
    int32_t batches, in_h, in_w, out_h, out_w;
    uint32_t pixel_bytes;
};

void hb_move_ref(const struct hb_move_args *args);
void hb_fill_ref(void *output, uint32_t elements, uint32_t element_bytes, uint32_t value);
void hb_resize_nearest_ref(const struct hb_resize_args *args);

#endif
