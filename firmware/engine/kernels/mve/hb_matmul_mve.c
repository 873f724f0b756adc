/* Chooses the micro-kernels of the multiplications (hb_matmul_*_mve.S). */
#include "mve/hb_mve.h"

#if HB_MVE_ASM

typedef void matmul(struct hb_matmul_mve *args);
matmul hb_matmul_mve_1, hb_matmul_mve_2, hb_matmul_mve_3, hb_matmul_mve_4;
matmul hb_matmul_mve_1_loop, hb_matmul_mve_2_loop, hb_matmul_mve_3_loop, hb_matmul_mve_4_loop;
matmul hb_matmul_s8xs4_asm_mve, hb_matmul_s16xs8_asm_mve;
/* Not to be called from C: they work on the frame of a matmul. */
void hb_requantize_mve_relu(void);
void hb_requantize_mve_sign(void);
void hb_requantize_mve_clamp(void);
void hb_requantize_s16_mve(void);

static void choose_requantize(struct hb_matmul_mve *args) {
    /* With the zero point at -128 every negative value is clamped, rounded either way. */
    if (args->act_min != -128 || args->act_max != 127) args->requantize = hb_requantize_mve_clamp;
    else if (args->zero_point == -128) args->requantize = hb_requantize_mve_relu;
    else args->requantize = hb_requantize_mve_sign;
}

void hb_matmul_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    static matmul *const kernels[2][4] = {
        {hb_matmul_mve_1, hb_matmul_mve_2, hb_matmul_mve_3, hb_matmul_mve_4},
        {hb_matmul_mve_1_loop, hb_matmul_mve_2_loop, hb_matmul_mve_3_loop, hb_matmul_mve_4_loop},
    };
    const int32_t before_last = depth_bytes / 16 - 1;
    args->loops = before_last / 4; /* 64 k each, after 16 to 64 k */
    choose_requantize(args);
    kernels[args->loops > 0][before_last % 4](args);
}

void hb_matmul_s8xs4_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    args->loops = depth_bytes / 32;
    choose_requantize(args);
    hb_matmul_s8xs4_asm_mve(args);
}

void hb_matmul_s16xs8_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    args->loops = depth_bytes / 16;
    args->requantize = hb_requantize_s16_mve;
    hb_matmul_s16xs8_asm_mve(args);
}

#endif
