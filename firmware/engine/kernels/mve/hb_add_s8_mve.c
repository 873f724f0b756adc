/* Element-wise sum, sixteen elements at a time.
 *
 * Linear: a f + b g + c, narrowed by 16 bits, then by 6, both rounded and saturated; the zero point
 * and what the roundings add are in c, and the packer has checked all 65,536 pairs.  (Narrowing
 * without rounding would do, but GNU as 2.40 encodes VQSHRN as VQRSHRN.)  Otherwise tables hold the
 * inputs as the reference rescales them, and their sum is requantized. */
#include "mve/hb_mve.h"
#include "hb_kernels.h"

static inline int8_t add_linear(const int32_t *k, int32_t a, int32_t b) {
    const uint32_t sum =
        (uint32_t)a * (uint32_t)k[0] + (uint32_t)b * (uint32_t)k[1] + (uint32_t)k[2];
    const int32_t half = hb_clamp((int32_t)(((int64_t)(int32_t)sum + 0x8000) >> 16), -32768, 32767);
    return (int8_t)hb_clamp((half + 32) >> 6, -128, 127);
}

static inline int8_t add_scaled(const struct hb_add_args *args, int32_t a, int32_t b) {
    const int32_t *first = args->tables, *second = first + 256, *scale = second + 256;
    const int32_t sum = hb_wrapping_add(first[a & 255], second[b & 255]);
    const int32_t value = hb_rounding_shift_right(hb_doubling_high_mul(sum, scale[0]),
                                                  hb_right_shift_mve(scale[1]));
    return (int8_t)hb_clamp(hb_clamp(value, -32768, 32767) + args->params.output_offset, -128, 127);
}

#if HB_MVE_ASM

/* Element of each byte after two narrowings of four vectors. */
static const uint8_t PLACES[16] = {0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15};

static inline int32x4_t sum_linear(const int8_t *a, const int8_t *b, int32x4_t f, int32_t g,
                                   int32_t c) {
    return vmlaq_n_s32(vmlasq_n_s32(vldrbq_s32(a), f, c), vldrbq_s32(b), g);
}

static void run_linear(const int8_t *a, const int8_t *b, int8_t *out, int32_t vectors,
                       const int32_t *k) {
    const int32x4_t f = vdupq_n_s32(k[0]);
    const uint8x16_t places = vldrbq_u8(PLACES);
    const int32_t g = k[1], c = k[2];
    for (; vectors > 0; vectors--, a += 16, b += 16, out += 16) {
        int16x8_t even = vreinterpretq_s16_s32(sum_linear(a, b, f, g, c));
        even = vqrshrnbq_n_s32(even, vreinterpretq_s32_s16(even), 16);
        even = vqrshrntq_n_s32(even, sum_linear(a + 4, b + 4, f, g, c), 16);
        int16x8_t odd = vreinterpretq_s16_s32(sum_linear(a + 8, b + 8, f, g, c));
        odd = vqrshrnbq_n_s32(odd, vreinterpretq_s32_s16(odd), 16);
        odd = vqrshrntq_n_s32(odd, sum_linear(a + 12, b + 12, f, g, c), 16);
        int8x16_t bytes = vreinterpretq_s8_s16(even);
        bytes = vqrshrnbq_n_s16(bytes, even, 6);
        bytes = vqrshrntq_n_s16(bytes, odd, 6);
        vstrbq_scatter_offset_s8(out, places, bytes);
    }
}

static inline int32x4_t sum_scaled(const int8_t *a, const int8_t *b, const int32_t *table) {
    const uint32x4_t at_a = vldrbq_u32((const uint8_t *)a), at_b = vldrbq_u32((const uint8_t *)b);
    const int32x4_t sum = vaddq_s32(vldrwq_gather_shifted_offset_s32(table, at_a),
                                    vldrwq_gather_shifted_offset_s32(table + 256, at_b));
    const int32x4_t high = vqrdmulhq_n_s32(sum, table[512]);
    return vrshlq_n_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), table[513]);
}

static void run_scaled(const int8_t *a, const int8_t *b, int8_t *out, int32_t vectors,
                       const int32_t *table, int32_t zero_point) {
    const uint8x16_t places = vldrbq_u8(PLACES);
    for (; vectors > 0; vectors--, a += 16, b += 16, out += 16) {
        int16x8_t even = vreinterpretq_s16_s32(sum_scaled(a, b, table));
        even = vqmovnbq_s32(even, vreinterpretq_s32_s16(even));
        even = vqmovntq_s32(even, sum_scaled(a + 4, b + 4, table));
        int16x8_t odd = vreinterpretq_s16_s32(sum_scaled(a + 8, b + 8, table));
        odd = vqmovnbq_s32(odd, vreinterpretq_s32_s16(odd));
        odd = vqmovntq_s32(odd, sum_scaled(a + 12, b + 12, table));
        even = vqaddq_n_s16(even, (int16_t)zero_point);
        odd = vqaddq_n_s16(odd, (int16_t)zero_point);
        int8x16_t bytes = vreinterpretq_s8_s16(even);
        bytes = vqmovnbq_s16(bytes, even);
        bytes = vqmovntq_s16(bytes, odd);
        vstrbq_scatter_offset_s8(out, places, bytes);
    }
}

#endif

/* The activation's clamp, over the output. */
static void clamp(const struct hb_add_args *args) {
    const int32_t low = args->params.act_min, high = args->params.act_max;
    if (low == -128 && high == 127) return;
    int8_t *out = args->output;
#if HB_MVE_ASM
    for (int32_t left = args->elements; left > 0; left -= 16, out += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)left);
        const int8x16_t bytes = vmaxq_s8(vldrbq_z_s8(out, p), vdupq_n_s8((int8_t)low));
        vstrbq_p_s8(out, vminq_s8(bytes, vdupq_n_s8((int8_t)high)), p);
    }
#else
    for (int32_t i = 0; i < args->elements; i++) out[i] = (int8_t)hb_clamp(out[i], low, high);
#endif
}

void hb_add_s8_mve(const struct hb_add_args *args) {
    const int8_t *a = args->input1, *b = args->input2;
    int8_t *out = args->output;
    int32_t i = 0;
#if HB_MVE_ASM
    const int32_t vectors = args->elements / 16;
    if (args->is_direct) run_linear(a, b, out, vectors, args->tables);
    else run_scaled(a, b, out, vectors, args->tables, args->params.output_offset);
    i = 16 * vectors;
#endif
    for (; i < args->elements; i++) {
        out[i] = args->is_direct ? add_linear(args->tables, a[i], b[i])
                                 : add_scaled(args, a[i], b[i]);
    }
    clamp(args);
}
