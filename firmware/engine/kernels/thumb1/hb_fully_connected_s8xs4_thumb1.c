/* Fully connected with int4 weights: one multiplication for two output channels.
 *
 * Packed weights, per two channels: 2 starts; for every four taps a word, tap i of the first channel
 * at bit 4 i, of the second one at bit 16 + 4 i, as w + 8; 2 scales.  The products of 16 taps fit 16
 * bits (16 * 15 * 128 < 2^15); what the 8 adds is 8 times the sum of the row. */
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

enum { CHANNELS = 2, TAPS = 16 };

#define WEIGHTS 0x000F000Fu

/* Both channels' products of one word, in the halves of the result. */
static inline uint32_t four(const int8_t *x, uint32_t word) {
    return (uint32_t)x[0] * (word & WEIGHTS) + (uint32_t)x[1] * (word >> 4 & WEIGHTS) +
           (uint32_t)x[2] * (word >> 8 & WEIGHTS) + (uint32_t)x[3] * (word >> 12 & WEIGHTS);
}

static void dot(const int8_t *x, const uint32_t *weights, int32_t taps, uint32_t acc[CHANNELS]) {
    while (taps > 0) {
        uint32_t sum = 0;
        if (taps >= TAPS) {
#pragma GCC unroll 4
            for (int32_t i = 0; i < 4; i++) sum += four(x + 4 * i, weights[i]);
            weights += 4;
        } else {
            for (int32_t i = 0; i < taps; i++) {
                sum += (uint32_t)x[i] * (weights[i / 4] >> 4 * (i % 4) & WEIGHTS);
            }
        }
        acc[0] += (uint32_t)((int32_t)(sum << 16) >> 16);
        acc[1] += (uint32_t)((int32_t)(sum + 0x8000u) >> 16);
        x += TAPS;
        taps -= TAPS;
    }
}

static void row(const struct hb_fully_connected_args *args, const int8_t *x, int8_t *out) {
    const uint32_t weight_words = ((uint32_t)args->in_c + 3u) / 4u;
    const uint32_t *record = args->weights;
    int32_t sum = 0;
    for (int32_t i = 0; i < args->in_c; i++) sum += x[i];
    const uint32_t excess = 8u * (uint32_t)sum;
    for (int32_t c = 0; c < args->out_c; c += CHANNELS) {
        const uint32_t *scale = record + CHANNELS + weight_words;
        uint32_t acc[CHANNELS] = {record[0] - excess, record[1] - excess};
        dot(x, record + CHANNELS, args->in_c, acc);
        for (int32_t i = 0; i < CHANNELS && c + i < args->out_c; i++) {
            hb_requantize_thumb1(acc + i, acc + i + 1, hb_thumb1_scale_at(scale), out + c + i, 1);
            scale += HB_THUMB1_SCALE_WORDS;
        }
        record += HB_THUMB1_TWO_FIXED_WORDS + weight_words;
    }
}

void hb_fully_connected_s8xs4_thumb1(const struct hb_fully_connected_args *args) {
    const int8_t *input = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        row(args, input, out);
        input += args->in_c;
        out += args->out_c;
    }
}
