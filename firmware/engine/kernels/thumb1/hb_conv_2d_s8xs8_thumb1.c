#include "thumb1/hb_conv_thumb1.h"

uint32_t hb_conv_2d_s8xs8_thumb1_depth(const struct hb_conv_args *args) {
    return hb_conv_thumb1_depth(args);
}

uint64_t hb_conv_2d_s8xs8_thumb1_scratch_bytes(const struct hb_conv_args *args) {
    return hb_conv_thumb1_scratch_bytes(args, 1);
}

bool hb_conv_2d_s8xs8_thumb1_in_place(const struct hb_conv_args *args) {
    return hb_is_in_place_by_rows(args);
}

static inline void multiply(const struct hb_thumb1_matmul *matmul,
                            const struct hb_conv_args *args) {
    (void)args;
    hb_matmul_thumb1(matmul);
}

void hb_conv_2d_s8xs8_thumb1(const struct hb_conv_args *args) { hb_conv_thumb1(args, 1, multiply); }
