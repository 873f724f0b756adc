/* int16 data.  The packer has proven that sums fit 32 bits. */
#include "thumb1/hb_conv_thumb1.h"

uint64_t hb_conv_2d_s16xs8_thumb1_scratch_bytes(const struct hb_conv_args *args) {
    return hb_conv_thumb1_scratch_bytes(args, 2);
}

#if !HB_THUMB1_ASM
#define PAIRS (HB_THUMB1_PIXELS / 2)

void hb_dot6_s16_thumb1(const struct hb_thumb1_matmul *args, const int8_t *weights, uint32_t start,
                        uint32_t sums[HB_THUMB1_PIXELS]) {
    uint32_t both[PAIRS], upper[PAIRS];
    for (int32_t i = 0; i < PAIRS; i++) {
        both[i] = start * 65537u;
        upper[i] = start;
    }
    for (const uint32_t *x = args->tile; x != args->tile_end; x += STEP, weights += 2) {
        const uint32_t a = (uint32_t)weights[0], b = (uint32_t)weights[1];
#pragma GCC unroll 3
        for (int32_t i = 0; i < PAIRS; i++) {
            const uint32_t first = x[2 * i], second = x[2 * i + 1];
            both[i] += first * a + second * b;
            upper[i] += (first >> 16) * a + (second >> 16) * b;
        }
    }
    for (int32_t i = 0; i < PAIRS; i++) {
        sums[2 * i] = both[i] - (upper[i] << 16);
        sums[2 * i + 1] = upper[i];
    }
}
#endif

static void multiply(const struct hb_thumb1_matmul *matmul, const struct hb_conv_args *args) {
    const uint32_t depth = (uint32_t)(matmul->tile_end - matmul->tile) / HB_THUMB1_TAP_WORDS;
    const uint32_t *record = matmul->stream;
    int8_t *column = matmul->out;
    for (int32_t channel = 0; channel < matmul->channels; channel++, column += 2) {
        uint32_t sums[HB_THUMB1_PIXELS];
        hb_dot6_s16_thumb1(matmul, (const int8_t *)(record + 1), record[0], sums);
        record += 1u + depth / 4u;
        int8_t *out = column;
        for (int32_t i = 0; i < matmul->pixels; i++, out += matmul->stride) {
            *(int16_t *)(void *)out = hb_finish_s16_thumb1(sums[i], record, &args->params);
        }
        record += HB_THUMB1_S16_SCALE_WORDS;
    }
}

void hb_conv_2d_s16xs8_thumb1(const struct hb_conv_args *args) {
    hb_conv_thumb1(args, 2, multiply);
}
