/* Fully connected: dot products of rows, one output channel after the other. */
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

uint32_t hb_fully_connected_s8xs8_thumb1_depth(const struct hb_fully_connected_args *args) {
    return ((uint32_t)args->in_c + 3u) & ~3u;
}

void hb_fully_connected_s8xs8_thumb1(const struct hb_fully_connected_args *args) {
    const int32_t words = (int32_t)hb_fully_connected_s8xs8_thumb1_depth(args) / 4;
    const int8_t *input = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++, input += args->in_c) {
        const uint32_t *stream = args->weights;
        for (int32_t channel = 0; channel < args->out_c; channel++, out++) {
            uint32_t acc = *stream++;
            const int8_t *weights = (const int8_t *)stream;
#pragma GCC unroll 8
            for (int32_t i = 0; i < args->in_c; i++) acc += (uint32_t)(input[i] * weights[i]);
            stream += words;
            hb_requantize_thumb1(&acc, &acc + 1, hb_thumb1_scale_at(stream), out, 1);
            stream += HB_THUMB1_FIXED_WORDS - 1;
        }
    }
}
