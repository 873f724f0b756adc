/* Which inputs an output of a transposed convolution meets. */
#ifndef HB_TRANSPOSE_H
#define HB_TRANSPOSE_H

#include "hb_kernels.h"

struct hb_reach {
    int32_t first, end; /* input positions */
    int32_t origin;     /* tap under input position i: origin - i * stride */
};

static inline struct hb_reach hb_reach(int32_t out, int32_t stride, int32_t pad, int32_t filter,
                                       int32_t in) {
    struct hb_reach reach = {.first = 0, .end = in, .origin = out + pad};
    const int32_t behind = reach.origin - filter + 1; /* inputs before it have no tap here */
    if (behind > 0) reach.first = (behind + stride - 1) / stride;
    if (reach.origin / stride + 1 < in) reach.end = reach.origin / stride + 1;
    return reach;
}

/* Where a channel of an output is computed: the inputs that it meets, in their order. */
struct hb_transpose_at {
    struct hb_reach rows, columns;
    int32_t batch, channel;
};

static inline int32_t hb_transpose_input(const struct hb_conv_args *a,
                                         const struct hb_transpose_at *at, int32_t y, int32_t x) {
    return ((at->batch * a->in_h + y) * a->in_w + x) * a->in_c;
}

static inline int32_t hb_transpose_weight(const struct hb_conv_args *a,
                                          const struct hb_transpose_at *at, int32_t y, int32_t x) {
    const int32_t ky = at->rows.origin - y * a->params.stride_h;
    const int32_t kx = at->columns.origin - x * a->params.stride_w;
    return ((at->channel * a->filter_h + ky) * a->filter_w + kx) * a->in_c;
}

/* Calls `output` with the index of every output element. */
static inline void hb_transpose_walk(const struct hb_conv_args *a,
                                     void (*output)(const struct hb_conv_args *a,
                                                    const struct hb_transpose_at *at,
                                                    int32_t index)) {
    const struct hb_image_conv *p = &a->params;
    struct hb_transpose_at at;
    int32_t index = 0;
    for (at.batch = 0; at.batch < a->batches; at.batch++) {
        for (int32_t y = 0; y < a->out_h; y++) {
            at.rows = hb_reach(y, p->stride_h, p->pad_top, a->filter_h, a->in_h);
            for (int32_t x = 0; x < a->out_w; x++) {
                at.columns = hb_reach(x, p->stride_w, p->pad_left, a->filter_w, a->in_w);
                for (at.channel = 0; at.channel < a->out_c; at.channel++) output(a, &at, index++);
            }
        }
    }
}

#endif
