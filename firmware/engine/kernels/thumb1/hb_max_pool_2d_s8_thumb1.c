/* Maximum pool, four channels at a time. */
#include "hb_kernels.h"
#include "hb_pool_windows.h"

static inline __attribute__((always_inline)) void largest_of(const struct hb_pool_args *args,
                                                             const struct hb_window *window,
                                                             int32_t channel, const int32_t count,
                                                             int8_t *out) {
    const int8_t *row = window->first + channel;
    int32_t best[4];
    for (int32_t i = 0; i < count; i++) best[i] = args->params.act_min;
    for (int32_t y = window->height; y > 0; y--, row += window->row_step) {
        const int8_t *at = row;
        for (int32_t x = window->width; x > 0; x--, at += window->step) {
#pragma GCC unroll 4
            for (int32_t i = 0; i < count; i++) {
                if (at[i] > best[i]) best[i] = at[i];
            }
        }
    }
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = best[i] < args->params.act_max ? best[i] : args->params.act_max;
        out[channel + i] = (int8_t)value;
    }
}

static void largest(const struct hb_pool_args *args, const struct hb_window *window, int8_t *out) {
    int32_t channel = 0;
    for (; channel + 4 <= args->channels; channel += 4) {
        largest_of(args, window, channel, 4, out);
    }
    for (; channel < args->channels; channel++) largest_of(args, window, channel, 1, out);
}

void hb_max_pool_2d_s8_thumb1(const struct hb_pool_args *args) {
    hb_for_each_window(args, largest);
}
