/* int4 weights: bytes, unpacked to int8 in registers. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

static const struct hb_conv_format_mve FORMAT = {
    .element_bytes = 1,
    .block_bytes = 32,
    .matmul = hb_matmul_s8xs4_mve,
};

uint32_t hb_conv_2d_s8xs4_mve_depth(const struct hb_conv_args *args) {
    return hb_conv_mve_depth_bytes(args, &FORMAT);
}

uint64_t hb_conv_2d_s8xs4_mve_scratch_bytes(const struct hb_conv_args *args) {
    return hb_conv_mve_scratch_bytes(args, &FORMAT);
}

void hb_conv_2d_s8xs4_mve(const struct hb_conv_args *args) { hb_conv_mve(args, &FORMAT); }
