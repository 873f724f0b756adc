/* Maximum pool, four channels at a time. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"
#include "hb_pool_windows.h"

/* Of each pair of signed bytes the larger one, or the smaller one. */
static inline uint32_t larger(uint32_t a, uint32_t b) {
#if HB_DSP_ASM
    uint32_t out;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(out) : "r"(a), "r"(b));
    return out;
#else
    uint32_t out = 0;
    for (uint32_t bit = 0; bit < 32u; bit += 8u) {
        const int8_t x = (int8_t)(a >> bit & 0xFFu), y = (int8_t)(b >> bit & 0xFFu);
        out |= (uint32_t)(uint8_t)(x > y ? x : y) << bit;
    }
    return out;
#endif
}

static inline uint32_t smaller(uint32_t a, uint32_t b) { return ~larger(~a, ~b); }

static uint32_t four_times(int32_t value) { return ((uint32_t)value & 0xFFu) * 0x01010101u; }

static void largest(const struct hb_pool_args *args, const struct hb_window *window, int8_t *out) {
    const uint32_t low = four_times(args->params.act_min), high = four_times(args->params.act_max);
    for (int32_t c = 0; c < args->channels; c += 4) {
        const int8_t *row = window->first + c;
        uint32_t best = low;
        for (int32_t y = window->height; y > 0; y--, row += window->row_step) {
            const int8_t *at = row;
#pragma GCC unroll 4
            for (int32_t x = window->width; x > 0; x--, at += window->step) {
                best = larger(best, hb_load_word(at));
            }
        }
        best = smaller(best, high);
        __builtin_memcpy(out + c, &best, sizeof best);
    }
}

void hb_max_pool_2d_s8_dsp(const struct hb_pool_args *args) { hb_for_each_window(args, largest); }
