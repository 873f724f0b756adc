/* Chooses the micro-kernel of hb_winograd_dsp.S; without the extension, is its model. */
#include "dsp/hb_winograd_dsp.h"

#if HB_DSP_ASM

hb_winograd_multiply hb_winograd_2, hb_winograd_4, hb_winograd_2_loop, hb_winograd_4_loop;

hb_winograd_multiply *hb_choose_winograd_multiply(int32_t in_c) {
    if (in_c <= 8) return in_c == 4 ? hb_winograd_2 : hb_winograd_4;
    return in_c % 8 == 0 ? hb_winograd_4_loop : hb_winograd_2_loop;
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

#endif
