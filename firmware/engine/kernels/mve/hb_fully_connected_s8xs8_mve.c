/* Fully connected: a row of the input times all output channels.  A row that is no multiple of 16
 * bytes is copied, so that nothing behind the input is read. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

uint32_t hb_fully_connected_s8xs8_mve_depth(const struct hb_fully_connected_args *args) {
    return (uint32_t)hb_whole_vectors((uint64_t)args->in_c);
}

uint64_t hb_fully_connected_s8xs8_mve_scratch_bytes(const struct hb_fully_connected_args *args) {
    return args->in_c % 16 == 0 ? 0u : hb_fully_connected_s8xs8_mve_depth(args);
}

void hb_fully_connected_s8xs8_mve(const struct hb_fully_connected_args *args) {
    const int8_t *input = args->input;
    struct hb_dot_mve dot = {
        .row = input,
        .stream = args->weights,
        .vectors = (int32_t)hb_fully_connected_s8xs8_mve_depth(args) / 16,
        .groups = (args->out_c + 7) / 8,
        .out = args->output,
        .channels = args->out_c,
        .zero_point = args->params.output_offset,
        .act_min = args->params.act_min,
        .act_max = args->params.act_max,
    };
    for (int32_t batch = 0; batch < args->batches; batch++, input += args->in_c) {
        dot.row = input;
        if (args->in_c % 16 != 0) {
            hb_copy_mve(args->scratch, input, args->in_c);
            dot.row = args->scratch;
        }
        hb_dot_mve(&dot);
        dot.out += args->out_c;
    }
}

#if !HB_MVE_ASM
void hb_dot_mve(const struct hb_dot_mve *args) {
    static const int8_t order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    const int32_t words = 8 + 32 * args->vectors;
    const int32_t *scales = args->stream + args->groups * words;
    for (int32_t row = 0; row < 8 * args->groups; row++) {
        const int32_t channel = row / 8 * 8 + order[row % 8], lane = row % 8;
        if (channel >= args->channels) continue;
        const int32_t *record = args->stream + row / 8 * words;
        const int8_t *weights = (const int8_t *)(record + 8) + 16 * lane;
        uint32_t sum = (uint32_t)record[lane];
        for (int32_t k = 0; k < 16 * args->vectors; k++) {
            sum += (uint32_t)(args->row[k] * weights[k / 16 * 128 + k % 16]);
        }
        const int32_t *scale = scales + row / 4 * 8 + row % 4;
        args->out[channel] = hb_requantize_mve((int32_t)sum, scale[0], scale[4], args->zero_point,
                                               args->act_min, args->act_max);
    }
}
#endif
