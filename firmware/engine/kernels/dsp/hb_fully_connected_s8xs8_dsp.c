/* Fully connected: a row of the input is widened once, then multiplied by all output channels. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"

uint32_t hb_fully_connected_s8xs8_dsp_depth(const struct hb_fully_connected_args *args) {
    return ((uint32_t)args->in_c + 7u) & ~7u;
}

uint64_t hb_fully_connected_s8xs8_dsp_scratch_bytes(const struct hb_fully_connected_args *args) {
    return 2u * (uint64_t)hb_fully_connected_s8xs8_dsp_depth(args);
}

static uint32_t *put_word(uint32_t word, uint32_t *to) {
    to[0] = hb_even_bytes(word);
    to[1] = hb_odd_bytes(word);
    return to + 2;
}

/* What lies behind the row's end meets zero weights. */
static void widen(const int8_t *from, int32_t bytes, uint32_t *to) {
#pragma GCC unroll 4
    for (; bytes >= 4; bytes -= 4, from += 4) to = put_word(hb_load_word(from), to);
    uint32_t word = 0;
    for (int32_t i = 0; i < bytes; i++) word |= (uint32_t)(uint8_t)from[i] << 8 * i;
    if (bytes > 0) put_word(word, to);
}

void hb_fully_connected_s8xs8_dsp(const struct hb_fully_connected_args *args) {
    uint32_t *row = args->scratch;
    const int8_t *input = args->input;
    struct hb_matmul_args dot = {
        .tile = row,
        .tile_end = row + hb_fully_connected_s8xs8_dsp_depth(args) / 2u,
        .stream = args->weights,
        .out = args->output,
        .zero_point = args->params.output_offset,
        .channels = args->out_c,
    };
    for (int32_t batch = 0; batch < args->batches; batch++) {
        widen(input, args->in_c, row);
        hb_dot_p8(&dot);
        input += args->in_c;
        dot.out += args->out_c;
    }
}
