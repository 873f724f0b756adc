/* Fully connected, int16 data: four output channels at a time.  The packer has proven that sums fit
 * 32 bits; starts are the biases themselves. */
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

enum { CHANNELS = 4 };

#if !HB_THUMB1_ASM
void hb_dot4_s16_thumb1(const int16_t *x, const int8_t *w, int32_t row_bytes, int32_t taps,
                        int32_t sums[CHANNELS]) {
    const int8_t *w1 = w + row_bytes, *w2 = w1 + row_bytes, *w3 = w2 + row_bytes;
    uint32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t i = 0; i < taps; i++) {
        const int32_t value = x[i];
        a += (uint32_t)(value * w[i]);
        b += (uint32_t)(value * w1[i]);
        c += (uint32_t)(value * w2[i]);
        d += (uint32_t)(value * w3[i]);
    }
    sums[0] = (int32_t)a;
    sums[1] = (int32_t)b;
    sums[2] = (int32_t)c;
    sums[3] = (int32_t)d;
}
#endif

static int32_t dot(const int16_t *x, const int8_t *w, int32_t taps) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < taps; i++) sum += (uint32_t)(x[i] * w[i]);
    return (int32_t)sum;
}

static void row(const struct hb_fully_connected_args *args, const int16_t *x, int16_t *out) {
    const uint32_t scale_at = 1u + ((uint32_t)args->in_c + 3u) / 4u;
    const uint32_t words = scale_at + HB_THUMB1_S16_SCALE_WORDS;
    const uint32_t *record = args->weights;
    for (int32_t left = args->out_c; left > 0; left -= CHANNELS) {
        const int8_t *weights = (const int8_t *)(record + 1);
        const int32_t count = left < CHANNELS ? left : CHANNELS;
        int32_t sums[CHANNELS];
        if (count == CHANNELS) {
            hb_dot4_s16_thumb1(x, weights, (int32_t)(4u * words), args->in_c, sums);
        } else {
            for (int32_t i = 0; i < count; i++) {
                sums[i] = dot(x, weights + 4 * i * (int32_t)words, args->in_c);
            }
        }
        for (int32_t i = 0; i < count; i++, record += words) {
            const uint32_t sum = record[0] + (uint32_t)sums[i];
            *out++ = hb_finish_s16_thumb1(sum, record + scale_at, &args->params);
        }
    }
}

void hb_fully_connected_s16xs8_thumb1(const struct hb_fully_connected_args *args) {
    const int16_t *input = args->input;
    int16_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        row(args, input, out);
        input += args->in_c;
        out += args->out_c;
    }
}
