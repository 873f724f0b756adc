/* int4 weights stay two to a byte; scratch and work in place are those of int8 ones. */
#include "thumb1/hb_conv_thumb1.h"

static inline void multiply(const struct hb_thumb1_matmul *matmul,
                            const struct hb_conv_args *args) {
    (void)args;
    hb_matmul_s4_thumb1(matmul);
}

void hb_conv_2d_s8xs4_thumb1(const struct hb_conv_args *args) { hb_conv_thumb1(args, 1, multiply); }
