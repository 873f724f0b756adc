/* Average pool, four channels at a time in 16-bit sums: at most HB_POOL_POSITIONS positions. */
#include "dsp/hb_dsp.h"
#include "hb_fixed_point.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

/* Both halves of `pair` plus the even bytes of `word`, and its odd ones. */
static inline uint32_t add_even(uint32_t pair, uint32_t word) {
#if HB_DSP_ASM
    __asm__("sxtab16 %0, %0, %1" : "+r"(pair) : "r"(word));
    return pair;
#else
    const uint32_t bytes = hb_even_bytes(word);
    return ((pair + bytes) & 0xFFFFu) | ((pair & 0xFFFF0000u) + (bytes & 0xFFFF0000u));
#endif
}

static inline uint32_t add_odd(uint32_t pair, uint32_t word) {
#if HB_DSP_ASM
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(pair) : "r"(word));
    return pair;
#else
    return add_even(pair, word >> 8 | word << 24);
#endif
}

/* sum / count, rounded half away from zero. */
static inline int8_t mean(const struct hb_pool_args *args, uint32_t half, int32_t count) {
    const int32_t sum = (int16_t)(half & 0xFFFFu);
    const int32_t value = (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
    return (int8_t)hb_clamp(value, args->params.act_min, args->params.act_max);
}

static void position(const struct hb_pool_args *args, const int8_t *image, struct hb_taps rows,
                     struct hb_taps columns, int8_t *out) {
    const int32_t step = args->channels, row_step = args->in_w * step;
    const int32_t width = columns.end - columns.first;
    const int32_t count = (rows.end - rows.first) * width;
    const int8_t *first = image + (rows.origin + rows.first) * row_step +
                          (columns.origin + columns.first) * step;
    for (int32_t c = 0; c < args->channels; c += 4) {
        uint32_t even = 0, odd = 0;
        const int8_t *row = first + c;
        for (int32_t y = rows.first; y < rows.end; y++, row += row_step) {
            const int8_t *at = row;
#pragma GCC unroll 5
            for (int32_t x = 0; x < width; x++, at += step) {
                const uint32_t word = hb_load_word(at);
                even = add_even(even, word);
                odd = add_odd(odd, word);
            }
        }
        out[c] = mean(args, even, count);
        out[c + 1] = mean(args, odd, count);
        out[c + 2] = mean(args, even >> 16, count);
        out[c + 3] = mean(args, odd >> 16, count);
    }
}

void hb_average_pool_2d_s8_dsp(const struct hb_pool_args *args) {
    const struct hb_image_pool *p = &args->params;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct hb_taps rows =
                hb_taps(y, p->stride_h, p->pad_top, 1, p->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++, out += args->channels) {
                const struct hb_taps columns =
                    hb_taps(x, p->stride_w, p->pad_left, 1, p->filter_w, args->in_w);
                position(args, image, rows, columns, out);
            }
        }
        image += args->in_h * args->in_w * args->channels;
    }
}
