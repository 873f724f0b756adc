/* The multiplications of pairs of pixels, without the extension. */
#include "mve/hb_mve.h"

#if !HB_MVE_ASM

/* Channel of a row of packed weights: of whole blocks in `order`, behind them as they are. */
static int32_t channel_of(int32_t row, int32_t channels, const int8_t *order, int32_t block) {
    const int32_t first = row / block * block;
    return first + block <= channels ? first + order[row - first] : row;
}

static int32_t product_s8(const int8_t *pixel, const int8_t *weights, int32_t lane, int32_t k) {
    return pixel[k] * weights[k / 16 * 64 + 16 * lane + k % 16];
}

static int32_t product_s4(const int8_t *pixel, const int8_t *weights, int32_t lane, int32_t k) {
    const uint32_t byte = (uint8_t)weights[k / 32 * 64 + 16 * lane + k % 16];
    const uint32_t half = k % 32 < 16 ? byte & 15u : byte >> 4;
    return pixel[k] * ((int32_t)(half ^ 8u) - 8);
}

static int32_t product_s16(const int8_t *pixel, const int8_t *weights, int32_t lane, int32_t k) {
    return ((const int16_t *)(const void *)pixel)[k] * weights[k / 8 * 32 + 8 * lane + k % 8];
}

struct scheme {
    int32_t (*product)(const int8_t *pixel, const int8_t *weights, int32_t lane, int32_t k);
    const int8_t *order;
    int32_t block;        /* channels in that order */
    int32_t record_words; /* of 4 channels */
    int32_t depth;        /* products of a sum */
    bool is_wide;         /* int16 */
};

static int16_t requantize_s16(const struct hb_matmul_mve *args, int32_t sum, const int32_t *scale) {
    const int32_t high = (int32_t)(((int64_t)sum * scale[0]) >> 31);
    const int32_t shift = hb_right_shift_mve(scale[4]);
    const int64_t half = shift > 0 ? INT64_C(1) << (shift - 1) : 0;
    return (int16_t)hb_clamp((int32_t)((high + half) >> shift), args->act_min, args->act_max);
}

/* All channels of one pixel; `out`: int16, whatever the output is. */
static void multiply(const struct hb_matmul_mve *args, const struct scheme *scheme,
                     const int8_t *pixel, int16_t *out) {
    const int32_t *scales = args->stream + args->groups * scheme->record_words;
    for (int32_t row = 0; row < 4 * args->groups; row++) {
        const int32_t channel = channel_of(row, args->channels, scheme->order, scheme->block);
        if (channel >= args->channels) continue;
        const int32_t *record = args->stream + row / 4 * scheme->record_words;
        const int32_t *scale = scales + row / 4 * 8 + row % 4;
        uint32_t sum = (uint32_t)record[row % 4];
        for (int32_t k = 0; k < scheme->depth; k++) {
            sum += (uint32_t)scheme->product(pixel, (const int8_t *)(record + 8), row % 4, k);
        }
        if (scheme->is_wide) out[channel] = requantize_s16(args, (int32_t)sum, scale);
        else out[channel] = hb_requantize_mve((int32_t)sum, scale[0], scale[4], args->zero_point,
                                              args->act_min, args->act_max);
    }
}

static void store(const struct hb_matmul_mve *args, const struct scheme *scheme,
                  const int16_t *from, int8_t *to) {
    for (int32_t c = 0; c < args->channels; c++) {
        if (scheme->is_wide) ((int16_t *)(void *)to)[c] = from[c];
        else to[c] = (int8_t)from[c];
    }
}

/* No output is written before both pixels have been read: they may be in its place. */
static void run(struct hb_matmul_mve *args, const struct scheme *scheme) {
    int16_t *a = (int16_t *)(void *)args->sums, *b = a + 4 * args->groups;
    for (int32_t pair = 0; pair < args->pairs; pair++) {
        multiply(args, scheme, args->a + pair * args->step, a);
        multiply(args, scheme, args->b + pair * args->step, b);
        store(args, scheme, a, args->out);
        args->out += args->to_b;
        store(args, scheme, b, args->out);
        args->out += args->channels * (scheme->is_wide ? 2 : 1);
    }
}

static const int8_t ORDER_16[16] = {0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15};
static const int8_t ORDER_8[8] = {0, 2, 4, 6, 1, 3, 5, 7};

void hb_matmul_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    run(args, &(struct scheme){product_s8, ORDER_16, 16, 8 + depth_bytes, depth_bytes, false});
}

void hb_matmul_s8xs4_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    run(args, &(struct scheme){product_s4, ORDER_16, 16, 8 + depth_bytes / 2, depth_bytes, false});
}

void hb_matmul_s16xs8_mve(struct hb_matmul_mve *args, int32_t depth_bytes) {
    const int32_t depth = depth_bytes / 2;
    run(args, &(struct scheme){product_s16, ORDER_8, 8, 8 + depth, depth, true});
}

#endif
