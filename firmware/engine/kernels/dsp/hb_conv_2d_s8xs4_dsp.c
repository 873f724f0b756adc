/* Convolution with int4 weights: groups of channels are unpacked to what int8 weights look like. */
#include "dsp/hb_dsp.h"
#include "hb_kernels.h"

uint64_t hb_conv_2d_s8xs4_dsp_scratch_bytes(const struct hb_conv_args *args) {
    const uint32_t depth = hb_conv_2d_s8xs8_dsp_depth(args);
    const uint32_t group = hb_p4_group_channels(depth, (uint32_t)args->out_c);
    return hb_conv_2d_s8xs8_dsp_scratch_bytes(args) +
           (uint64_t)group / 2u * hb_p8_block_bytes(depth);
}

void hb_conv_2d_s8xs4_dsp(const struct hb_conv_args *args) {
    const uint32_t depth = hb_conv_2d_s8xs8_dsp_depth(args);
    const uint32_t channels = (uint32_t)args->out_c;
    const uint32_t group = hb_p4_group_channels(depth, channels);
    const uint64_t used = hb_conv_2d_s8xs8_dsp_scratch_bytes(args);
    int32_t *stream = (int32_t *)(void *)((uint8_t *)args->scratch + used);
    const uint8_t *from = args->weights;
    for (uint32_t first = 0; first < channels; first += group) {
        const uint32_t count = channels - first < group ? channels - first : group;
        from = hb_unpack_p4(from, count / 2u, depth, stream);
        hb_conv_p8(args, stream, (int32_t)first, (int32_t)count);
    }
}
