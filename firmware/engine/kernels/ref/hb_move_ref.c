/* A box of elements, by runs: axes whose elements follow each other on both sides are one run of
 * bytes, and axes that are stepped through alike are one axis. */
#include <stddef.h>

#include "hb_bytes.h"
#include "hb_movement.h"

enum { AXES = 4 };

struct axis {
    int32_t count, in, out; /* steps in bytes */
};

struct box {
    uint32_t run_bytes;
    struct axis axes[AXES]; /* the innermost first; count 1 where there is none */
};

static struct box box_of(const struct hb_move_args *args) {
    struct box box = {.run_bytes = args->element_bytes,
                      .axes = {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}}};
    struct axis *last = NULL;
    for (int32_t i = AXES - 1; i >= 0; i--) {
        const struct axis axis = {args->dims[i], args->in_strides[i], args->out_strides[i]};
        const int32_t run = (int32_t)box.run_bytes;
        if (axis.count == 1) continue;
        if (last == NULL && axis.in == run && axis.out == run) {
            box.run_bytes *= (uint32_t)axis.count;
        } else if (last != NULL && axis.in == last->count * last->in &&
                   axis.out == last->count * last->out) {
            last->count *= axis.count;
        } else {
            last = last == NULL ? box.axes : last + 1;
            *last = axis;
        }
    }
    return box;
}

static inline void copy_bytes(const uint8_t *from, uint8_t *to, uint32_t bytes) {
#pragma GCC unroll 4
    for (; bytes > 0u; bytes--) *to++ = *from++;
}

/* Along the innermost axis. */
static void copy_runs(const struct box *box, const uint8_t *from, uint8_t *to) {
    const struct axis *axis = box->axes;
    const uint32_t run = box->run_bytes;
    const uintptr_t all =
        (uintptr_t)from | (uintptr_t)to | run | (uint32_t)axis->in | (uint32_t)axis->out;
    if (run == 1u) {
        for (int32_t i = axis->count; i > 0; i--, from += axis->in, to += axis->out) *to = *from;
    } else if ((all & 3u) == 0u) {
        for (int32_t i = axis->count; i > 0; i--, from += axis->in, to += axis->out) {
            hb_copy_words(to, from, run);
        }
    } else {
        for (int32_t i = axis->count; i > 0; i--, from += axis->in, to += axis->out) {
            copy_bytes(from, to, run);
        }
    }
}

void hb_move_ref(const struct hb_move_args *args) {
    const struct box box = box_of(args);
    const struct axis *axes = box.axes;
    for (int32_t a = 0; a < axes[3].count; a++) {
        for (int32_t b = 0; b < axes[2].count; b++) {
            for (int32_t c = 0; c < axes[1].count; c++) {
                copy_runs(&box, args->input + a * axes[3].in + b * axes[2].in + c * axes[1].in,
                          args->output + a * axes[3].out + b * axes[2].out + c * axes[1].out);
            }
        }
    }
}
