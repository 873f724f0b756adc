/* Fully connected: four output channels at a time. */
#include "hb_dot_s8.h"
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

enum { CHANNELS = 4 };

uint32_t hb_fully_connected_s8xs8_thumb1_depth(const struct hb_fully_connected_args *args) {
    return ((uint32_t)args->in_c + 3u) & ~3u;
}

#if !HB_THUMB1_ASM
void hb_dot4_thumb1(const int8_t *x, const int8_t *w, int32_t row_bytes, int32_t taps,
                    int32_t sums[4]) {
    int32_t acc[CHANNELS] = {0, 0, 0, 0};
    hb_dot4_s8(x, w, row_bytes, taps, 0, acc);
    for (int32_t i = 0; i < CHANNELS; i++) sums[i] = acc[i];
}
#endif

static void row(const struct hb_fully_connected_args *args, const int8_t *x, int8_t *out) {
    const uint32_t scale_at = 1u + hb_fully_connected_s8xs8_thumb1_depth(args) / 4u;
    const uint32_t words = scale_at + HB_THUMB1_SCALE_WORDS;
    const uint32_t *record = args->weights;
    for (int32_t left = args->out_c; left > 0; left -= CHANNELS) {
        const int8_t *weights = (const int8_t *)(record + 1);
        const int32_t count = left < CHANNELS ? left : CHANNELS;
        int32_t sums[CHANNELS];
        if (count == CHANNELS) {
            hb_dot4_thumb1(x, weights, (int32_t)(4u * words), args->in_c, sums);
        } else {
            for (int32_t i = 0; i < count; i++) {
                sums[i] = hb_dot_s8(x, weights + 4 * i * (int32_t)words, args->in_c, 0, 0);
            }
        }
        for (int32_t i = 0; i < count; i++, record += words, out++) {
            const uint32_t acc = record[0] + (uint32_t)sums[i];
            hb_requantize_thumb1(&acc, &acc + 1, hb_thumb1_scale_at(record + scale_at), out, 1);
        }
    }
}

void hb_fully_connected_s8xs8_thumb1(const struct hb_fully_connected_args *args) {
    const int8_t *input = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        row(args, input, out);
        input += args->in_c;
        out += args->out_c;
    }
}
