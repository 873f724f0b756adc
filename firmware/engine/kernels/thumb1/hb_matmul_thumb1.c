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

/* The products of two pixels and two taps, folded into the accumulators. */
static inline void fold(uint32_t sum, uint32_t *both, uint32_t *upper) {
    *both += sum;
    *upper += (uint32_t)((int32_t)(sum + 0x8000u) >> 16);
}

void hb_matmul_thumb1(const struct hb_thumb1_matmul *args) {
    const uint32_t *stream = args->stream;
    for (int32_t channel = 0; channel < args->channels; channel++) {
        const uint32_t start = *stream++;
        const int8_t *weights = (const int8_t *)stream;
        uint32_t upper0 = start, upper1 = start, upper2 = start;
        uint32_t both0 = start * 65537u, both1 = both0, both2 = both0;
        for (const uint32_t *x = args->tile; x != args->tile_end; x += 6, weights += 2) {
            const uint32_t a = (uint32_t)weights[0], b = (uint32_t)weights[1];
            fold(x[0] * a + x[1] * b, &both0, &upper0);
            fold(x[2] * a + x[3] * b, &both1, &upper1);
            fold(x[4] * a + x[5] * b, &both2, &upper2);
        }
        const uint32_t acc[HB_THUMB1_PIXELS] = {
            both0 - (upper0 << 16), upper0, both1 - (upper1 << 16), upper1,
            both2 - (upper2 << 16), upper2,
        };
        stream = (const uint32_t *)(const void *)weights;
        hb_requantize_thumb1(acc, acc + args->pixels, hb_thumb1_scale_at(stream),
                             args->out + channel, args->stride);
        stream += HB_THUMB1_FIXED_WORDS - 1;
    }
}

#endif
