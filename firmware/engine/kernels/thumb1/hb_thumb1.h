/* Shared by the kernels for cores whose multiplier gives only the lower 32 bits (Armv6-M), and the
 * layouts that they take; RV32IM runs the same layouts with the portable code.
 *
 * Layouts and their arithmetic: harness/hilbench/models/thumb1.py.  A record per output channel:
 *   start                     bias, input zero point folded in, less the channel's least sum
 *   weights                   int8, in order of taps, zeros up to a whole word
 *   HB_THUMB1_SCALE_WORDS     struct hb_thumb1_scale
 * Tile of 6 pixels: for every two taps the words of pixels (0, 1), (2, 3), (4, 5), two words each,
 * x of the even pixel + 65536 x of the odd one.
 *
 * int4 weights: two to a byte, the lower half first; behind two bytes of zeros where the taps, up to
 * a multiple of 4, are no multiple of 8.
 *
 * int16 data is x + 2^15 in the tile, an unsigned number.  A record per output channel:
 *   start                     bias less 2^15 times the sum of the weights
 *   weights                   as above
 *   HB_THUMB1_S16_SCALE_WORDS 16-bit multiplier, half of what is shifted out, shift; of
 *                             (sum * multiplier) >> 16 */
#ifndef HB_THUMB1_H
#define HB_THUMB1_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_fixed_point.h"
#include "hb_image.h"

#if defined(__ARM_ARCH) && __ARM_ARCH == 6
#define HB_THUMB1_ASM 1
#else
#define HB_THUMB1_ASM 0
#endif

#define HB_THUMB1_PIXELS 6
/* Words of a tile per tap: one for two pixels. */
#define HB_THUMB1_TAP_WORDS 3
/* Words of a record besides the weights: start, and the scale. */
#define HB_THUMB1_SCALE_WORDS 9
#define HB_THUMB1_FIXED_WORDS (1 + HB_THUMB1_SCALE_WORDS)
#define HB_THUMB1_S16_SCALE_WORDS 3
#define HB_THUMB1_S16_FIXED_WORDS (1 + HB_THUMB1_S16_SCALE_WORDS)
/* Of two fully connected channels with int4 weights, and of two channels of a depthwise convolution
 * by taps. */
#define HB_THUMB1_TWO_FIXED_WORDS (2 * HB_THUMB1_FIXED_WORDS)

/* Requantization of acc = sum - least, exact (models/thumb1.py).  hb_matmul_thumb1.S knows the order
 * of the fields. */
struct hb_thumb1_scale {
    uint32_t largest; /* above it, as an unsigned number, acc saturates */
    uint32_t low, middle, high; /* pieces of the multiplier: 10, 10 and the other bits */
    uint32_t round_low, round_high;
    uint32_t negative_below; /* below it the sum is negative: */
    uint32_t tie; /* rounds away from zero by this much less */
    uint8_t below, above; /* the output for sums that saturate */
    uint8_t lowest; /* wide: the multiplier's piece below `low` */
    uint8_t is_wide; /* all pieces but the highest have 8 bits */
};

/* Accumulators from `acc` to `end` of one channel, to bytes `stride` apart. */
void hb_requantize_thumb1(const uint32_t *acc, const uint32_t *end,
                          const struct hb_thumb1_scale *scale, int8_t *out, int32_t stride);

/* A tile times all channels; hb_matmul_thumb1.S knows the order of the fields. */
struct hb_thumb1_matmul {
    const uint32_t *tile, *tile_end;
    const uint32_t *stream;
    int8_t *out;
    int32_t stride; /* from a pixel's output to the next one's */
    int32_t channels;
    int32_t pixels; /* 1 to 6 of the tile's pixels have an output */
};

void hb_matmul_thumb1(const struct hb_thumb1_matmul *args);
void hb_matmul_s4_thumb1(const struct hb_thumb1_matmul *args);

/* Sums of a tile's 6 pixels, int16 data, for one channel. */
void hb_dot6_s16_thumb1(const struct hb_thumb1_matmul *args, const int8_t *weights, uint32_t start,
                        uint32_t sums[HB_THUMB1_PIXELS]);

/* The rounding of hb_requantize_64() for shifts right by 17 or more: what lies below bit 16 of the
 * product does not matter. */
static inline int16_t hb_finish_s16_thumb1(uint32_t sum, const uint32_t *scale,
                                           const struct hb_image_conv *p) {
    const uint32_t upper = (uint32_t)((int32_t)sum >> 16) * scale[0];
    const uint32_t product = upper + ((sum & 0xFFFFu) * scale[0] >> 16);
    const int32_t value = (int32_t)(product + scale[1]) >> (scale[2] & 31u);
    return (int16_t)hb_clamp(value, p->act_min, p->act_max);
}

/* Sums of a line of outputs, from `acc` to `end`, 3x3 with stride 1 or 2.  x: columns of three words;
 * w: filter columns, three of five words each. */
void hb_depthwise_line_3x3_thumb1(const int32_t *x, const int32_t *w, uint32_t *acc, uint32_t *end,
                                  uint32_t start, int32_t stride);

/* Dot products of `taps` >= 1 bytes with four rows of weights; of int16 data. */
void hb_dot4_thumb1(const int8_t *x, const int8_t *w, int32_t row_bytes, int32_t taps,
                    int32_t sums[4]);
void hb_dot4_s16_thumb1(const int16_t *x, const int8_t *w, int32_t row_bytes, int32_t taps,
                        int32_t sums[4]);

/* A rectangle of filter taps on two channels side by side; hb_dot2_thumb1.S knows the order of the
 * fields.  Weights of the two channels alternate. */
struct hb_thumb1_taps {
    const int8_t *x, *w;
    int32_t x_step, columns, rows; /* bytes from a tap to the next in a row; at least one of each */
    int32_t x_row_bytes, w_row_bytes; /* from a row to the next */
    uint32_t *acc; /* two sums, added to */
};

void hb_dot2_taps_thumb1(const struct hb_thumb1_taps *taps);

static inline const struct hb_thumb1_scale *hb_thumb1_scale_at(const uint32_t *words) {
    return (const struct hb_thumb1_scale *)(const void *)words;
}

#endif
