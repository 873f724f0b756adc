/* Average pool, eight or sixteen channels at a time in 16-bit sums: at most HB_MVE_POOL_POSITIONS
 * positions. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

#define CHANNELS 16

#if HB_MVE_ASM

static void sum_16(const struct hb_pool_window *window, const int8_t *row, int16_t *sums) {
    int16x8_t low = vdupq_n_s16(0), high = low;
    for (int32_t y = window->height; y > 0; y--, row += window->row_step) {
        const int8_t *at = row;
#pragma GCC unroll 4
        for (int32_t x = window->width; x > 0; x--, at += window->step) {
            low = vaddq_s16(low, vldrbq_s16(at));
            high = vaddq_s16(high, vldrbq_s16(at + 8));
        }
    }
    vstrhq_s16(sums, low);
    vstrhq_s16(sums + 8, high);
}

static void sum_channels(const struct hb_pool_window *window, const int8_t *row, int32_t channels,
                         int16_t *sums) {
    if (channels == CHANNELS) {
        sum_16(window, row, sums);
        return;
    }
    for (; channels > 0; channels -= 8, row += 8, sums += 8) {
        const mve_pred16_t p = vctp16q((uint32_t)channels);
        const int8_t *line = row;
        int16x8_t sum = vdupq_n_s16(0);
        for (int32_t y = window->height; y > 0; y--, line += window->row_step) {
            const int8_t *at = line;
            for (int32_t x = window->width; x > 0; x--, at += window->step) {
                sum = vaddq_s16(sum, vldrbq_z_s16(at, p));
            }
        }
        vstrhq_s16(sums, sum);
    }
}

#else

static void sum_channels(const struct hb_pool_window *window, const int8_t *row, int32_t channels,
                         int16_t *sums) {
    for (int32_t c = 0; c < channels; c++) {
        int32_t sum = 0;
        for (int32_t y = 0; y < window->height; y++) {
            for (int32_t x = 0; x < window->width; x++) {
                sum += row[y * window->row_step + x * window->step + c];
            }
        }
        sums[c] = (int16_t)sum;
    }
}

#endif

/* Means, rounded half away from zero. */
static void average(const struct hb_pool_args *args, const struct hb_pool_window *window,
                    int8_t *out) {
    const int32_t count = window->height * window->width, half = count / 2;
    const int32_t low = args->params.act_min, high = args->params.act_max;
    for (int32_t first = 0; first < args->channels; first += CHANNELS) {
        const int32_t left = args->channels - first;
        const int32_t channels = left < CHANNELS ? left : CHANNELS;
        int16_t sums[CHANNELS];
        sum_channels(window, window->first + first, channels, sums);
        for (int32_t c = 0; c < channels; c++) {
            const int32_t sum = sums[c];
            *out++ = (int8_t)hb_clamp((sum < 0 ? sum - half : sum + half) / count, low, high);
        }
    }
}

void hb_average_pool_2d_s8_mve(const struct hb_pool_args *args) {
    hb_pool_windows_mve(args, average);
}
