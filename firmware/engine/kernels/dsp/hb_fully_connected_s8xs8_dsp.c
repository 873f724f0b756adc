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

/* Channels from `first` on, the first of `stream`, for every row. */
static void run(const struct hb_fully_connected_args *args, const int32_t *stream, uint32_t first,
                uint32_t channels) {
    uint32_t *row = args->scratch;
    const int8_t *input = args->input;
    struct hb_matmul_args dot = {
        .tile = row,
        .tile_end = row + hb_fully_connected_s8xs8_dsp_depth(args) / 2u,
        .stream = stream,
        .out = (int8_t *)args->output + first,
        .zero_point = args->params.output_offset,
        .channels = (int32_t)channels,
    };
    for (int32_t batch = 0; batch < args->batches; batch++) {
        widen(input, args->in_c, row);
        hb_dot_p8(&dot);
        input += args->in_c;
        dot.out += args->out_c;
    }
}

void hb_fully_connected_s8xs8_dsp(const struct hb_fully_connected_args *args) {
    run(args, args->weights, 0, (uint32_t)args->out_c);
}

uint64_t hb_fully_connected_s8xs4_dsp_scratch_bytes(const struct hb_fully_connected_args *args) {
    const uint32_t depth = hb_fully_connected_s8xs8_dsp_depth(args);
    const uint32_t group = hb_p4_group_channels(depth, (uint32_t)args->out_c);
    return hb_fully_connected_s8xs8_dsp_scratch_bytes(args) +
           (uint64_t)group / 2u * hb_p8_block_bytes(depth);
}

void hb_fully_connected_s8xs4_dsp(const struct hb_fully_connected_args *args) {
    const uint32_t depth = hb_fully_connected_s8xs8_dsp_depth(args);
    const uint32_t channels = (uint32_t)args->out_c;
    const uint32_t group = hb_p4_group_channels(depth, channels);
    const uint64_t used = hb_fully_connected_s8xs8_dsp_scratch_bytes(args);
    int32_t *stream = (int32_t *)(void *)((uint8_t *)args->scratch + used);
    const uint8_t *from = args->weights;
    for (uint32_t first = 0; first < channels; first += group) {
        const uint32_t count = channels - first < group ? channels - first : group;
        from = hb_unpack_p4(from, count / 2u, depth, stream);
        run(args, stream, first, count);
    }
}
