/* Convolution of int16 data, and fully connected layers as convolutions of 1 x 1: two patches of
 * the input times two output channels at a time.  The packer has proven that sums fit 32 bits.
 *
 * Packed weights ("p16"), per pair of output channels, int32 words: bias a, bias b; for every four
 * k the bytes k0, k2, k1, k3 of a, then of b; 16-bit multiplier a, right shift a, multiplier b,
 * right shift b.  A patch is [filter_h, filter_w, in_c], with zeros up to a multiple of four. */
#include "dsp/hb_dsp.h"
#include "hb_fixed_point.h"
#include "hb_kernels.h"

#define PATCHES 2

static inline int32_t smlad(uint32_t x, uint32_t y, int32_t acc) {
#if HB_DSP_ASM
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(y));
    return acc;
#else
    const int32_t low = (int16_t)(x & 0xFFFFu) * (int16_t)(y & 0xFFFFu);
    const int32_t high = (int16_t)(x >> 16) * (int16_t)(y >> 16);
    return (int32_t)((uint32_t)acc + (uint32_t)low + (uint32_t)high);
#endif
}

/* The rounding of hb_requantize_64(), its multiplier and shift (1 to 46) worked out by the packer;
 * others are cut to what is defined. */
static int16_t finish(const struct hb_conv_args *args, int32_t acc, const int32_t *scale) {
    const uint32_t half = ((uint32_t)scale[1] - 1u) & 63u;
    const uint64_t sum = (uint64_t)((int64_t)acc * scale[0]) + (UINT64_C(1) << half);
    const int32_t value = (int32_t)(uint32_t)(uint64_t)(((int64_t)sum >> half) >> 1);
    return (int16_t)hb_clamp(value, args->params.act_min, args->params.act_max);
}

/* All channels of `count` patches, 1 or 2. */
static void multiply(const struct hb_conv_args *args, const int16_t *const patches[PATCHES],
                     int32_t count, int32_t depth, int16_t *out) {
    const int32_t *stream = args->weights;
    int16_t *second = out + args->out_c;
    for (int32_t channel = 0; channel < args->out_c; channel += 2) {
        const uint32_t *x = (const uint32_t *)(const void *)patches[0];
        const uint32_t *y = (const uint32_t *)(const void *)patches[count - 1];
        int32_t xa = stream[0], xb = stream[1], ya = xa, yb = xb;
        stream += 2;
        for (int32_t k = 0; k < depth; k += 4, x += 2, y += 2, stream += 2) {
            const uint32_t a = (uint32_t)stream[0], b = (uint32_t)stream[1];
            const uint32_t a0 = hb_even_bytes(a), a1 = hb_odd_bytes(a);
            const uint32_t b0 = hb_even_bytes(b), b1 = hb_odd_bytes(b);
            xa = smlad(x[1], a1, smlad(x[0], a0, xa));
            xb = smlad(x[1], b1, smlad(x[0], b0, xb));
            ya = smlad(y[1], a1, smlad(y[0], a0, ya));
            yb = smlad(y[1], b1, smlad(y[0], b0, yb));
        }
        out[channel] = finish(args, xa, stream);
        out[channel + 1] = finish(args, xb, stream + 2);
        if (count == PATCHES) {
            second[channel] = finish(args, ya, stream);
            second[channel + 1] = finish(args, yb, stream + 2);
        }
        stream += 4;
    }
}

uint32_t hb_conv_2d_s16xs8_dsp_depth(const struct hb_conv_args *args) {
    return ((uint32_t)(args->filter_h * args->filter_w * args->in_c) + 3u) & ~3u;
}

/* Patches that lie in the input as they are. */
static bool is_direct(const struct hb_conv_args *args) {
    return args->filter_h == 1 && args->filter_w == 1 && args->params.stride_h == 1 &&
           args->params.stride_w == 1 && args->in_c % 4 == 0;
}

uint64_t hb_conv_2d_s16xs8_dsp_scratch_bytes(const struct hb_conv_args *args) {
    return is_direct(args) ? 0u : 2u * PATCHES * (uint64_t)hb_conv_2d_s16xs8_dsp_depth(args);
}

static int16_t *copy(const int16_t *from, int32_t count, int16_t *to) {
    for (; count > 0; count--) *to++ = *from++;
    return to;
}

static int16_t *zeros(int32_t count, int16_t *to) {
    for (; count > 0; count--) *to++ = 0;
    return to;
}

/* The input under an output position; padding is zero, as the zero point of int16 is. */
static void gather(const struct hb_conv_args *args, const int16_t *image, int32_t out_y,
                   int32_t out_x, int32_t depth, int16_t *to) {
    const struct hb_image_conv *p = &args->params;
    const int32_t row = args->filter_w * args->in_c, x = out_x * p->stride_w - p->pad_left;
    const int32_t before = x < 0 ? -x : 0;
    const int32_t beyond = x + args->filter_w - args->in_w;
    const int32_t after = beyond > 0 ? beyond : 0;
    const int32_t inside = args->filter_w - before - after;
    int16_t *const end = to + depth;
    for (int32_t ky = 0; ky < args->filter_h; ky++) {
        const int32_t y = out_y * p->stride_h - p->pad_top + ky;
        if (y < 0 || y >= args->in_h || inside <= 0) {
            to = zeros(row, to);
            continue;
        }
        to = zeros(before * args->in_c, to);
        to = copy(image + (y * args->in_w + x + before) * args->in_c, inside * args->in_c, to);
        to = zeros(after * args->in_c, to);
    }
    zeros((int32_t)(end - to), to);
}

void hb_conv_2d_s16xs8_dsp(const struct hb_conv_args *args) {
    const int32_t depth = (int32_t)hb_conv_2d_s16xs8_dsp_depth(args);
    const bool direct = is_direct(args);
    int16_t *const scratch = args->scratch;
    const int16_t *patches[PATCHES] = {scratch, scratch + depth};
    const int16_t *image = args->input;
    int16_t *out = args->output;
    int32_t filled = 0;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            for (int32_t x = 0; x < args->out_w; x++) {
                if (direct) patches[filled] = image + (y * args->in_w + x) * args->in_c;
                else gather(args, image, y, x, depth, scratch + filled * depth);
                if (++filled < PATCHES) continue;
                multiply(args, patches, PATCHES, depth, out);
                out += PATCHES * args->out_c;
                filled = 0;
            }
        }
        image += args->in_h * args->in_w * args->in_c;
    }
    if (filled > 0) multiply(args, patches, filled, depth, out);
}
