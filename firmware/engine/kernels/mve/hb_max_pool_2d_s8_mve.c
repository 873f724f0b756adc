/* Maximum pool, sixteen channels at a time. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

static void largest(const struct hb_pool_args *args, const struct hb_pool_window *window,
                    int8_t *out) {
    const int32_t low = args->params.act_min, high = args->params.act_max;
    for (int32_t first = 0; first < args->channels; first += 16) {
        const int8_t *row = window->first + first;
#if HB_MVE_ASM
        const mve_pred16_t p = vctp8q((uint32_t)(args->channels - first));
        int8x16_t best = vdupq_n_s8((int8_t)low);
        for (int32_t y = window->height; y > 0; y--, row += window->row_step) {
            const int8_t *at = row;
#pragma GCC unroll 4
            for (int32_t x = window->width; x > 0; x--, at += window->step) {
                best = vmaxq_s8(best, vldrbq_z_s8(at, p));
            }
        }
        vstrbq_p_s8(out + first, vminq_s8(best, vdupq_n_s8((int8_t)high)), p);
#else
        const int32_t channels = args->channels - first < 16 ? args->channels - first : 16;
        for (int32_t c = 0; c < channels; c++) {
            int32_t best = low;
            for (int32_t y = 0; y < window->height; y++) {
                for (int32_t x = 0; x < window->width; x++) {
                    const int32_t value = row[y * window->row_step + x * window->step + c];
                    if (value > best) best = value;
                }
            }
            out[first + c] = (int8_t)(best < high ? best : high);
        }
#endif
    }
}

void hb_max_pool_2d_s8_mve(const struct hb_pool_args *args) { hb_pool_windows_mve(args, largest); }
