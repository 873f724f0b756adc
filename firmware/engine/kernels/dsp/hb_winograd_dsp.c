/* Chooses the micro-kernels of hb_winograd_dsp.S and hb_winograd_finish_dsp.S; without the
 * extension, is their model. */
#include "dsp/hb_winograd_dsp.h"

#if HB_DSP_ASM

hb_winograd_finish hb_winograd_finish_signed, hb_winograd_finish_relu;
hb_winograd_multiply hb_winograd_2, hb_winograd_4, hb_winograd_2_loop, hb_winograd_4_loop;

hb_winograd_multiply *hb_choose_winograd_multiply(int32_t in_c) {
    if (in_c <= 8) return in_c == 4 ? hb_winograd_2 : hb_winograd_4;
    return in_c % 8 == 0 ? hb_winograd_4_loop : hb_winograd_2_loop;
}

hb_winograd_finish *hb_choose_winograd_finish(int32_t zero_point) {
    return zero_point == -128 ? hb_winograd_finish_relu : hb_winograd_finish_signed;
}

#else

static const int32_t *multiply(const struct hb_winograd_args *args) {
    const uint32_t *data = args->data;
    const int32_t pairs = args->position_bytes / (4 * HB_WINOGRAD_TILES);
    const int32_t *stream = args->stream + 2;
    uint32_t *sums = args->sums;
    for (int32_t position = 0; position < HB_WINOGRAD_POSITIONS; position++) {
        for (int32_t tile = 0; tile < HB_WINOGRAD_TILES; tile++) {
            uint32_t a = position == 0 ? (uint32_t)args->stream[0] : 0u;
            uint32_t b = position == 0 ? (uint32_t)args->stream[1] : 0u;
            for (int32_t pair = 0; pair < pairs; pair++) {
                const uint32_t x = data[pair * HB_WINOGRAD_TILES + tile];
                a = hb_smlad(x, (uint32_t)stream[2 * pair], a);
                b = hb_smlad(x, (uint32_t)stream[2 * pair + 1], b);
            }
            *sums++ = a;
            *sums++ = b;
        }
        data += pairs * HB_WINOGRAD_TILES;
        stream += 2 * pairs;
    }
    return stream;
}

hb_winograd_multiply *hb_choose_winograd_multiply(int32_t in_c) {
    (void)in_c;
    return multiply;
}

/* Of an even number. */
static uint32_t half(uint32_t value) { return (uint32_t)((int32_t)value >> 1); }

static void finish_tile(const uint32_t *sums, const struct hb_winograd_outputs *outputs,
                        const int32_t *scale, int32_t at) {
    uint32_t upper[4], lower[4];
    for (int32_t j = 0; j < 4; j++) {
        const uint32_t m0 = sums[(j + 11) % 16 * 8], m1 = sums[(j + 15) % 16 * 8];
        const uint32_t m2 = sums[(j + 3) * 8], m3 = sums[(j + 7) * 8];
        upper[j] = m0 + half(m1 + m2);
        lower[j] = half(m1 - m2) - m3;
    }
    const uint32_t left[2] = {upper[0] + half(upper[1] + upper[2]),
                              lower[0] + half(lower[1] + lower[2])};
    const uint32_t right[2] = {half(upper[1] - upper[2]) - upper[3],
                               half(lower[1] - lower[2]) - lower[3]};
    for (int32_t row = 0; row < 2; row++) {
        int8_t *out = (row == 0 ? outputs->above : outputs->below) + at;
        out[0] = hb_requantize_packed((int32_t)left[row], scale, outputs->zero_point);
        out += outputs->pixel_bytes;
        out[0] = hb_requantize_packed((int32_t)right[row], scale, outputs->zero_point);
    }
}

static void finish(const struct hb_winograd_outputs *outputs) {
    for (int32_t channel = 0; channel < 2; channel++) {
        for (int32_t tile = 0; tile < HB_WINOGRAD_TILES; tile++) {
            finish_tile(outputs->sums + 2 * tile + channel, outputs, outputs->scales + 2 * channel,
                        2 * tile * outputs->pixel_bytes + channel);
        }
    }
}

hb_winograd_finish *hb_choose_winograd_finish(int32_t zero_point) {
    (void)zero_point;
    return finish;
}

#endif
