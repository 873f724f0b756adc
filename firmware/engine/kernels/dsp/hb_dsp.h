/* Shared by the kernels for Armv7E-M's DSP extension, and the layouts that they take.
 *
 * Every one also compiles without the extension, as a portable model: the host build runs packed
 * images with it, under sanitizers.  Layouts are written by harness/hilbench/models/dsp.py.
 *
 * Packed weights ("p8"), per pair of output channels, int32 words:
 *   bias a + 256 bias b, bias a            (input zero point folded in)
 *   K / 2 words of halfwords h = a + 256 b, for every four k: (k0, k2), (k1, k3)
 *   2 multiplier a, 2^(32 - right shift a), 2 multiplier b, 2^(32 - right shift b)   (mod 2^32)
 * Tile of 3 pixels, int16 pairs: for every two k the words of pixels 0, 1, 2, same order of k.
 *
 * Order of k in a convolution: for each filter row the whole words of its filter_w * in_c bytes;
 * then the rows' remaining bytes, one row after the other; then zeros up to a multiple of four. */
#ifndef HB_DSP_H
#define HB_DSP_H

#include <stdint.h>

#include "hb_bytes.h"
#include "hb_kernels.h"

#if defined(__ARM_FEATURE_DSP) && !defined(HB_DSP_MODEL)
#define HB_DSP_ASM 1
#else
#define HB_DSP_ASM 0
#endif

/* Of a block of packed weights: biases, scales. */
#define HB_P8_FIXED_WORDS 6
/* Positions under an average pool's window: 255 times -128 fits 16 bits. */
#define HB_POOL_POSITIONS 255
/* Tables of an addition: 2 x 256 words; not direct: then 2 multiplier, 2^(32 - right shift). */
#define HB_ADD_FRACTION_BITS 22
#define HB_ADD_DIRECT_WORDS 512
#define HB_ADD_SCALED_WORDS 514
/* Of a depthwise channel: hb_depthwise_line_dsp.S. */
#define HB_DEPTHWISE_RECORD_WORDS 13
/* Of a block of four depthwise channels (hb_depthwise_conv_2d_taps_s8xs8_dsp.c): biases, scales. */
#define HB_TAPS_FIXED_WORDS 12

/* Unaligned; the builtin, because a call would cost more than all the rest (-fno-builtin). */
static inline uint32_t hb_load_word(const int8_t *p) {
    uint32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

/* Bytes 0 and 2 as int16, and bytes 1 and 3. */
static inline uint32_t hb_even_bytes(uint32_t word) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
#else
    const uint32_t low = (uint32_t)(int32_t)(int8_t)(word & 0xFFu) & 0xFFFFu;
    return low | (uint32_t)(int32_t)(int8_t)(word >> 16 & 0xFFu) << 16;
#endif
}

static inline uint32_t hb_odd_bytes(uint32_t word) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return hb_even_bytes(word >> 8);
#endif
}

/* The lower halves of two words, and their upper ones. */
static inline uint32_t hb_pack_lower(uint32_t a, uint32_t b) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return (a & 0xFFFFu) | b << 16;
#endif
}

static inline uint32_t hb_pack_upper(uint32_t a, uint32_t b) {
#if HB_DSP_ASM
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
    return pair;
#else
    return a >> 16 | (b & 0xFFFF0000u);
#endif
}

#if !HB_DSP_ASM
/* Both products of a pair of int16, wrapping as SMLAD does. */
static inline uint32_t hb_smlad(uint32_t x, uint32_t y, uint32_t acc) {
    const int32_t low = (int16_t)(x & 0xFFFFu) * (int16_t)(y & 0xFFFFu);
    const int32_t high = (int16_t)(x >> 16) * (int16_t)(y >> 16);
    return acc + (uint32_t)low + (uint32_t)high;
}

/* Upper word of (acc << 32) + x * y, rounded: SMMLAR. */
static inline int32_t hb_smmlar(int32_t x, int32_t y, int32_t acc) {
    const uint64_t sum = ((uint64_t)(uint32_t)acc << 32) + (uint64_t)((int64_t)x * y);
    return (int32_t)(uint32_t)((sum + 0x80000000u) >> 32);
}

/* Model of the kernels' requantization (hb_matmul_p8_dsp.S); scale: 2 m, 2^(32 - e). */
static inline int8_t hb_requantize_packed(int32_t acc, const int32_t *scale, int32_t zero_point) {
    int32_t value = hb_smmlar(acc, scale[0], acc);
    if (zero_point != -128) value = (int32_t)((uint32_t)value + (uint32_t)(value >> 31));
    value = hb_smmlar(value, scale[1], zero_point);
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}
#endif

/* Rows of bytes that follow each other at a fixed distance, until a ring ends; hb_widen_dsp.S knows
 * the order of the fields. */
struct hb_rows {
    int32_t row_bytes;       /* from a row to the next */
    int32_t rows_after_wrap; /* of `rows`, how many lie at the ring's start; 0: no ring */
    int32_t ring_bytes;
    int32_t rows;
    int32_t words;       /* of a row, to be widened */
    int32_t pixel_bytes; /* from a pixel's first byte to the next pixel's */
};

/* Widens the whole words of all rows, for three pixels; returns the end in the tile. */
uint32_t *hb_widen_three(const int8_t *first, uint32_t *tile, const struct hb_rows *rows);

/* A tile times packed weights; hb_matmul_p8_dsp.S knows the order of the fields. */
struct hb_matmul_args {
    const uint32_t *tile;
    const int32_t *stream;
    int8_t *out;
    int32_t pixel_bytes; /* from a pixel's output to the next one's */
    int32_t zero_point, channels;
    const uint32_t *tile_end;
};

typedef void hb_matmul_p8(const struct hb_matmul_args *args);

/* The kernel for this tile's size and zero point. */
hb_matmul_p8 *hb_choose_matmul_p8(const struct hb_matmul_args *args);

/* Channels from `first_channel` on, the first of `stream`, of a convolution. */
void hb_conv_p8(const struct hb_conv_args *args, const int32_t *stream, int32_t first_channel,
                int32_t channels);

/* Packed int4 weights ("p4"), per pair of output channels: the same words as p8 but for those of
 * the weights, which are a byte for every k, a in the low half and b in the high one.  They are
 * unpacked to p8, as many channels at a time as fit HB_P4_GROUP_BYTES, and at least two. */
#define HB_P4_GROUP_BYTES 8192u
#define HB_P4_FIXED_BYTES (4u * HB_P8_FIXED_WORDS)

/* Of a block of p16 weights (hb_conv_2d_s16xs8_dsp.c): biases, scales. */
#define HB_P16_FIXED_WORDS 6

static inline uint32_t hb_p8_block_bytes(uint32_t depth) { return HB_P4_FIXED_BYTES + 2u * depth; }

static inline uint32_t hb_p4_group_channels(uint32_t depth, uint32_t channels) {
    const uint32_t blocks = HB_P4_GROUP_BYTES / hb_p8_block_bytes(depth);
    const uint32_t group = blocks > 1u ? 2u * blocks : 2u;
    return group < channels ? group : channels;
}

/* `blocks` of p4 to p8; returns what follows the last one. */
const uint8_t *hb_unpack_p4(const uint8_t *from, uint32_t blocks, uint32_t depth, int32_t *to);

/* One row of int16 pairs instead of a tile, a multiple of four words. */
hb_matmul_p8 hb_dot_p8;

#endif
