/* int16 data, 32-bit sums: the packer has proven that they fit. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

static const struct hb_conv_format_mve FORMAT = {
    .element_bytes = 2,
    .block_bytes = 16,
    .matmul = hb_matmul_s16xs8_mve,
};

uint32_t hb_conv_2d_s16xs8_mve_depth(const struct hb_conv_args *args) {
    return hb_conv_mve_depth_bytes(args, &FORMAT) / 2u;
}

uint64_t hb_conv_2d_s16xs8_mve_scratch_bytes(const struct hb_conv_args *args) {
    return hb_conv_mve_scratch_bytes(args, &FORMAT);
}

void hb_conv_2d_s16xs8_mve(const struct hb_conv_args *args) { hb_conv_mve(args, &FORMAT); }
