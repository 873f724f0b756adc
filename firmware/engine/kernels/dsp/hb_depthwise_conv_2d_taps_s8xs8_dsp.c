/* Depthwise convolution with any filter and stride, tap by tap: four channels share a word of the
 * input and of the weights.  For 3 x 3 filters the lines of hb_depthwise_conv_2d_s8xs8_dsp.c are
 * faster.
 *
 * Packed weights, per four channels, int32 words: 4 biases (input zero point folded in); 4 times
 * 2 multiplier, 2^(32 - right shift); then a word of four weights for each tap, those
 * of the filter's longer direction in a row.  Padding meets the
 * input's zero point, which the folded bias takes back. */
#include "dsp/hb_dsp.h"
#include "hb_geometry.h"
#include "hb_kernels.h"

#define CHANNELS 4

/* acc + the lower halves' product, and the upper ones'. */
static inline uint32_t smlabb(uint32_t x, uint32_t w, uint32_t acc) {
#if HB_DSP_ASM
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return acc + (uint32_t)((int16_t)(x & 0xFFFFu) * (int16_t)(w & 0xFFFFu));
#endif
}

static inline uint32_t smlatt(uint32_t x, uint32_t w, uint32_t acc) {
#if HB_DSP_ASM
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return acc + (uint32_t)((int16_t)(x >> 16) * (int16_t)(w >> 16));
#endif
}

/* Rounded twice, as hb_matmul_p8_dsp.S does it. */
static inline int8_t finish(int32_t acc, const int32_t *scale, int32_t zero_point) {
#if HB_DSP_ASM
    __asm__("smmlar %0, %0, %1, %0" : "+r"(acc) : "r"(scale[0]));
    acc += acc >> 31;
    __asm__("smmlar %0, %0, %1, %2\n\tssat %0, #8, %0"
            : "+r"(acc)
            : "r"(scale[1]), "r"(zero_point));
    return (int8_t)acc;
#else
    return hb_requantize_packed(acc, scale, zero_point);
#endif
}

static inline void multiply(uint32_t x, uint32_t w, uint32_t acc[CHANNELS]) {
    const uint32_t x_even = hb_even_bytes(x), x_odd = hb_odd_bytes(x);
    const uint32_t w_even = hb_even_bytes(w), w_odd = hb_odd_bytes(w);
    acc[0] = smlabb(x_even, w_even, acc[0]);
    acc[1] = smlabb(x_odd, w_odd, acc[1]);
    acc[2] = smlatt(x_even, w_even, acc[2]);
    acc[3] = smlatt(x_odd, w_odd, acc[3]);
}

/* `count` taps on bytes `step` apart; returns the weights behind them. */
static inline const uint32_t *inside(const int8_t *x, int32_t step, int32_t count,
                                     const uint32_t *weights, uint32_t acc[CHANNELS]) {
    for (; count > 0; count--, x += step) multiply(hb_load_word(x), *weights++, acc);
    return weights;
}

static inline const uint32_t *outside(uint32_t padding, int32_t count, const uint32_t *weights,
                                      uint32_t acc[CHANNELS]) {
    for (; count > 0; count--) multiply(padding, *weights++, acc);
    return weights;
}

/* One direction of the filter, and the bytes from an input position to the next along it. */
struct direction {
    struct hb_taps taps;
    int32_t filter, step;
};

/* Four channels of one output; `image` begins with their bytes. */
static void output(const struct hb_conv_args *args, const int8_t *image, const int32_t *block,
                   const struct direction *outer, const struct direction *inner, int8_t *out) {
    const uint32_t padding = ((uint32_t)-args->params.input_offset & 0xFFu) * 0x01010101u;
    const uint32_t *weights = (const uint32_t *)block + HB_TAPS_FIXED_WORDS;
    const int32_t first = inner->taps.first < inner->filter ? inner->taps.first : inner->filter;
    const int32_t count = inner->taps.end - first, step = inner->step;
    const int8_t *start = image + (inner->taps.origin + first) * step;
    uint32_t acc[CHANNELS] = {(uint32_t)block[0], (uint32_t)block[1], (uint32_t)block[2],
                              (uint32_t)block[3]};
    for (int32_t i = 0; i < outer->filter; i++) {
        if (i < outer->taps.first || i >= outer->taps.end || count <= 0) {
            weights = outside(padding, inner->filter, weights, acc);
            continue;
        }
        weights = outside(padding, first, weights, acc);
        weights = inside(start + (outer->taps.origin + i) * outer->step, step, count, weights, acc);
        weights = outside(padding, inner->filter - first - count, weights, acc);
    }
    for (int32_t i = 0; i < CHANNELS; i++) {
        out[i] = finish((int32_t)acc[i], block + CHANNELS + 2 * i, args->params.output_offset);
    }
}

void hb_depthwise_conv_2d_taps_s8xs8_dsp(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const int32_t words = HB_TAPS_FIXED_WORDS + args->filter_h * args->filter_w;
    const int8_t *image = args->input;
    int8_t *out = args->output;
    struct direction rows = {.filter = args->filter_h, .step = args->in_w * args->in_c};
    struct direction columns = {.filter = args->filter_w, .step = args->in_c};
    /* The longer direction is the inner one. */
    const bool by_rows = args->filter_h > args->filter_w;
    const struct direction *outer = by_rows ? &columns : &rows, *inner = by_rows ? &rows : &columns;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            rows.taps = hb_taps(y, p->stride_h, p->pad_top, 1, args->filter_h, args->in_h);
            for (int32_t x = 0; x < args->out_w; x++, out += args->out_c) {
                columns.taps = hb_taps(x, p->stride_w, p->pad_left, 1, args->filter_w, args->in_w);
                const int32_t *block = args->weights;
                for (int32_t c = 0; c < args->out_c; c += CHANNELS, block += words) {
                    output(args, image + c, block, outer, inner, out + c);
                }
            }
        }
        image += args->in_h * args->in_w * args->in_c;
    }
}
