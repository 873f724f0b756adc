/* Chooses the micro-kernel of hb_matmul_p8_dsp.S; without the extension, is its model. */
#include "dsp/hb_dsp.h"

/* Words of a tile per word of weights: one per pixel. */
#define PIXELS 3

#if HB_DSP_ASM

hb_matmul_p8 hb_matmul_p8_2, hb_matmul_p8_4, hb_matmul_p8_6;
hb_matmul_p8 hb_matmul_p8_2_loop, hb_matmul_p8_4_loop, hb_matmul_p8_6_loop;
hb_matmul_p8 hb_matmul_p8_2_loop_relu, hb_matmul_p8_4_loop_relu, hb_matmul_p8_6_loop_relu;

hb_matmul_p8 *hb_choose_matmul_p8(const struct hb_matmul_args *args) {
    static hb_matmul_p8 *const kernels[3][3] = {
        /* one pass, loop, loop without signs; by the words before the loop: 6, 2, 4 */
        {hb_matmul_p8_6, hb_matmul_p8_2, hb_matmul_p8_4},
        {hb_matmul_p8_6_loop, hb_matmul_p8_2_loop, hb_matmul_p8_4_loop},
        {hb_matmul_p8_6_loop_relu, hb_matmul_p8_2_loop_relu, hb_matmul_p8_4_loop_relu},
    };
    const uint32_t words = (uint32_t)(args->tile_end - args->tile) / PIXELS;
    const uint32_t way = words <= 6u ? 0u : args->zero_point == -128 ? 2u : 1u;
    return kernels[way][words % 6u / 2u];
}

#else

/* All channels for each of `pixels` pixels, whose words alternate in the tile. */
static void multiply(const struct hb_matmul_args *args, int32_t pixels) {
    const int32_t words = (int32_t)(args->tile_end - args->tile) / pixels;
    const int32_t *stream = args->stream;
    for (int32_t channel = 0; channel < args->channels; channel += 2) {
        const int32_t *scales = stream + 2 + words;
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            uint32_t sum = (uint32_t)stream[0], low = (uint32_t)stream[1];
            for (int32_t i = 0; i < words; i++) {
                const uint32_t x = args->tile[pixels * i + pixel], w = (uint32_t)stream[2 + i];
                sum = hb_smlad(x, w, sum);
                low = hb_smlad(x, hb_even_bytes(w), low);
            }
            const int32_t high = (int32_t)(sum - low) >> 8;
            int8_t *out = args->out + pixel * args->pixel_bytes + channel;
            out[0] = hb_requantize_packed((int32_t)low, scales, args->zero_point);
            out[1] = hb_requantize_packed(high, scales + 2, args->zero_point);
        }
        stream = scales + 4;
    }
}

static void multiply_tile(const struct hb_matmul_args *args) { multiply(args, PIXELS); }

void hb_dot_p8(const struct hb_matmul_args *args) { multiply(args, 1); }

hb_matmul_p8 *hb_choose_matmul_p8(const struct hb_matmul_args *args) {
    (void)args;
    return multiply_tile;
}

#endif
