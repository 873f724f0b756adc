/* Winograd's F(2x2, 3x3) in exact integers ("Fast algorithms for convolutional neural networks",
 * Lavin and Gray, 2016): four outputs from 16 products instead of 36.
 *
 * Weights U = G g G', the rows of G (1,0,0), (1,1,1), (1,-1,1), (0,0,1): the two in the middle are
 * doubled, and the outputs' transform halves what they make, which is always even.  Data
 * V = B' d B, the rows of B' (1,0,-1,0), (0,1,1,0), (0,-1,1,0), (0,1,0,-1).  Both fit 16 bits.
 *
 * The 16 positions (i, j) are in the order of (4 i + j - 5) mod 16, from (1, 1) on, which reaches
 * all four outputs with the weight 1/4: there 4 times the bias goes in.
 *
 * Packed weights, per pair of output channels, int32 words:
 *   4 bias a, 4 bias b                      (input zero point folded in)
 *   for each position, for every four k: (k0, k2) of a, of b; (k1, k3) of a, of b
 *   2 multiplier a, 2^(32 - right shift a), 2 multiplier b, 2^(32 - right shift b)   (mod 2^32)
 * Data of a group of 4 x 1 tiles: for each position, for every two k the words of tiles 0 to 3, in
 * the same order of k. */
#ifndef HB_WINOGRAD_DSP_H
#define HB_WINOGRAD_DSP_H

#include "dsp/hb_dsp.h"

#define HB_WINOGRAD_POSITIONS 16
#define HB_WINOGRAD_TILES 4
/* Of a block of weights: biases, scales. */
#define HB_WINOGRAD_FIXED_WORDS 6
/* Sums of one pair of channels: for each position the words a, b of tiles 0 to 3. */
#define HB_WINOGRAD_SUMS (HB_WINOGRAD_POSITIONS * HB_WINOGRAD_TILES * 2)

/* A group of tiles times one pair of channels; hb_winograd_dsp.S knows the order of the fields. */
struct hb_winograd_args {
    const uint32_t *data;
    const int32_t *stream;
    uint32_t *sums;         /* HB_WINOGRAD_SUMS words */
    int32_t position_bytes; /* of data: 8 in_c */
};

/* Returns what follows the weights in the stream. */
typedef const int32_t *hb_winograd_multiply(const struct hb_winograd_args *args);

/* The kernel for this depth. */
hb_winograd_multiply *hb_choose_winograd_multiply(int32_t in_c);

/* Where the sums go; hb_winograd_finish_dsp.S knows the order of the fields. */
struct hb_winograd_outputs {
    const uint32_t *sums; /* 8-aligned */
    int8_t *above, *below; /* the first tile's two rows */
    int32_t pixel_bytes;
    int32_t zero_point;
    const int32_t *scales; /* of both channels */
};

/* A' M A of all tiles and both channels, requantized. */
typedef void hb_winograd_finish(const struct hb_winograd_outputs *outputs);

/* The kernel for this zero point. */
hb_winograd_finish *hb_choose_winograd_finish(int32_t zero_point);

#endif
