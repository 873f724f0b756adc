/* Chooses the micro-kernel of hb_matmul_mve.S; without the extension, is its model. */
#include "mve/hb_mve.h"

#if HB_MVE_ASM

typedef void matmul(struct hb_matmul_mve *args);
matmul hb_matmul_mve_1, hb_matmul_mve_2, hb_matmul_mve_3, hb_matmul_mve_4;
matmul hb_matmul_mve_1_loop, hb_matmul_mve_2_loop, hb_matmul_mve_3_loop, hb_matmul_mve_4_loop;
/* Not to be called from C: they work on the frame of a matmul. */
void hb_requantize_mve_relu(void);
void hb_requantize_mve_sign(void);
void hb_requantize_mve_clamp(void);

void hb_matmul_mve(struct hb_matmul_mve *args, int32_t depth) {
    static matmul *const kernels[2][4] = {
        {hb_matmul_mve_1, hb_matmul_mve_2, hb_matmul_mve_3, hb_matmul_mve_4},
        {hb_matmul_mve_1_loop, hb_matmul_mve_2_loop, hb_matmul_mve_3_loop, hb_matmul_mve_4_loop},
    };
    const int32_t before_last = depth / 16 - 1;
    args->loops = before_last / 4;
    /* With the zero point at -128 every negative value is clamped, rounded either way. */
    if (args->act_min != -128 || args->act_max != 127) args->requantize = hb_requantize_mve_clamp;
    else if (args->zero_point == -128) args->requantize = hb_requantize_mve_relu;
    else args->requantize = hb_requantize_mve_sign;
    kernels[args->loops > 0][before_last % 4](args);
}

#else

static const int8_t ORDER[16] = {0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15};

/* Channel of row `row` of the packed weights. */
static int32_t channel_of(int32_t row, int32_t channels) {
    const int32_t block = row & ~15;
    return block + 16 <= channels ? block + ORDER[row & 15] : row;
}

static void multiply_pixel(const struct hb_matmul_mve *args, int32_t depth, const int8_t *pixel,
                           int8_t *out) {
    const int32_t words = 8 + depth;
    const int32_t *scales = args->stream + args->groups * words;
    for (int32_t row = 0; row < 4 * args->groups; row++) {
        const int32_t channel = channel_of(row, args->channels), lane = row % 4;
        if (channel >= args->channels) continue;
        const int32_t *record = args->stream + row / 4 * words;
        const int8_t *weights = (const int8_t *)(record + 8) + 16 * lane;
        uint32_t sum = (uint32_t)record[lane];
        for (int32_t k = 0; k < depth; k++) {
            sum += (uint32_t)(pixel[k] * weights[k / 16 * 64 + k % 16]);
        }
        const int32_t *scale = scales + row / 4 * 8 + lane;
        out[channel] = hb_requantize_mve((int32_t)sum, scale[0], scale[4], args->zero_point,
                                         args->act_min, args->act_max);
    }
}

void hb_matmul_mve(struct hb_matmul_mve *args, int32_t depth) {
    for (int32_t pair = 0; pair < args->pairs; pair++) {
        /* The kernel writes no output before it has read both pixels; they may be in its place. */
        int8_t *out_b = args->out + args->to_b;
        for (int32_t i = 0; i < 8 * args->groups; i++) args->sums[i] = 0;
        multiply_pixel(args, depth, args->b + pair * args->step, (int8_t *)args->sums);
        multiply_pixel(args, depth, args->a + pair * args->step,
                       (int8_t *)args->sums + 4 * args->groups);
        const int8_t *results = (const int8_t *)args->sums;
        for (int32_t c = 0; c < args->channels; c++) out_b[c] = results[c];
        for (int32_t c = 0; c < args->channels; c++) {
            args->out[c] = results[4 * args->groups + c];
        }
        args->out = out_b + args->channels;
    }
}

#endif
