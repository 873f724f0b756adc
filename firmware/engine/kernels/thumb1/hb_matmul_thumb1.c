/* The portable kernels: what hb_matmul_thumb1.S does, and what RV32IM runs. */
#include "thumb1/hb_thumb1.h"

#if !HB_THUMB1_ASM

static inline int8_t requantize(uint32_t acc, const struct hb_thumb1_scale *scale) {
    if (acc > scale->largest) {
        return (int8_t)(acc >> 31 != 0u ? scale->below : scale->above);
    }
    uint32_t value = scale->round_low;
    if (scale->is_wide) {
        value = (value + acc * scale->lowest) >> 8;
        value = (value + acc * scale->low) >> 8;
        value = (value + acc * scale->middle) >> 8;
    } else {
        value = (value + acc * scale->low) >> 10;
        value = (value + acc * scale->middle) >> 10;
    }
    value += acc * scale->high + scale->round_high;
    if (acc < scale->negative_below) value -= scale->tie;
    return (int8_t)(value >> 24);
}

void hb_requantize_thumb1(const uint32_t *acc, const uint32_t *end,
                          const struct hb_thumb1_scale *given, int8_t *out, int32_t stride) {
    const struct hb_thumb1_scale scale = *given;
    for (; acc != end; acc++, out += stride) *out = requantize(*acc, &scale);
}

#define PAIRS 3 /* of pixels */

/* Weights of two taps, the first even. */
static inline __attribute__((always_inline)) void two_taps(const int8_t *at, const bool is_s4,
                                                           uint32_t w[2]) {
    if (is_s4) {
        w[0] = (uint32_t)((int32_t)((uint32_t)*at << 28) >> 28);
        w[1] = (uint32_t)(int32_t)(*at >> 4);
    } else {
        w[0] = (uint32_t)at[0];
        w[1] = (uint32_t)at[1];
    }
}

/* `count` output channels, whose records lie `words` apart. */
static inline __attribute__((always_inline)) void multiply(const struct hb_thumb1_matmul *args,
                                                           const uint32_t *record, uint32_t words,
                                                           int8_t *out, const int32_t count,
                                                           const bool is_s4) {
    uint32_t upper[2][PAIRS], both[2][PAIRS];
    for (int32_t c = 0; c < count; c++) {
        const uint32_t start = record[(uint32_t)c * words];
        for (int32_t pair = 0; pair < PAIRS; pair++) {
            upper[c][pair] = start;
            both[c][pair] = start * 65537u;
        }
    }
    const int8_t *weights = (const int8_t *)(record + 1);
    if (is_s4 && (args->tile_end - args->tile) / PAIRS % 8 != 0) weights += 2;
    for (const uint32_t *x = args->tile; x != args->tile_end;
         x += 2 * PAIRS, weights += is_s4 ? 1 : 2) {
        uint32_t w[2][2];
        for (int32_t c = 0; c < count; c++) {
            two_taps(weights + 4u * (uint32_t)c * words, is_s4, w[c]);
        }
#pragma GCC unroll 3
        for (int32_t pair = 0; pair < PAIRS; pair++) {
            const uint32_t even = x[2 * pair], odd = x[2 * pair + 1];
            for (int32_t c = 0; c < count; c++) {
                const uint32_t sum = even * w[c][0] + odd * w[c][1];
                both[c][pair] += sum;
                upper[c][pair] += (uint32_t)((int32_t)(sum + 0x8000u) >> 16);
            }
        }
    }
    for (int32_t c = 0; c < count; c++, record += words, out++) {
        uint32_t acc[2 * PAIRS];
        for (int32_t pair = 0; pair < PAIRS; pair++) {
            acc[2 * pair] = both[c][pair] - (upper[c][pair] << 16);
            acc[2 * pair + 1] = upper[c][pair];
        }
        hb_requantize_thumb1(acc, acc + args->pixels,
                             hb_thumb1_scale_at(record + words - HB_THUMB1_SCALE_WORDS), out,
                             args->stride);
    }
}

static inline __attribute__((always_inline)) void matmul(const struct hb_thumb1_matmul *args,
                                                         const bool is_s4) {
    const uint32_t depth = (uint32_t)(args->tile_end - args->tile) / PAIRS;
    const uint32_t weight_words = is_s4 ? (depth + 7u) / 8u : depth / 4u;
    const uint32_t words = 1u + weight_words + HB_THUMB1_SCALE_WORDS;
    const uint32_t *record = args->stream;
    int32_t channel = 0;
    for (; channel + 2 <= args->channels; channel += 2, record += 2u * words) {
        multiply(args, record, words, args->out + channel, 2, is_s4);
    }
    if (channel < args->channels) {
        multiply(args, record, words, args->out + channel, 1, is_s4);
    }
}

void hb_matmul_thumb1(const struct hb_thumb1_matmul *args) { matmul(args, false); }

void hb_matmul_s4_thumb1(const struct hb_thumb1_matmul *args) { matmul(args, true); }

#endif
