/* Copies and fills of bytes, inline: a call would cost more than most rows do. */
#ifndef HB_BYTES_H
#define HB_BYTES_H

#include <stdint.h>

/* Whole words, to and from whole words. */
static inline void hb_copy_words(void *to, const void *from, uint32_t bytes) {
    const uint32_t *in = from;
    uint32_t *out = to;
    for (; bytes >= 16u; bytes -= 16u, in += 4, out += 4) {
        const uint32_t a = in[0], b = in[1], c = in[2], d = in[3];
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
    }
    for (; bytes > 0u; bytes -= 4u) *out++ = *in++;
}

#if defined(__ARM_FEATURE_UNALIGNED) || !(defined(__arm__) || defined(__riscv))

/* The builtin, because of -fno-builtin. */
static inline void hb_copy_bytes(int8_t *to, const int8_t *from, int32_t bytes) {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) __builtin_memcpy(to, from, 16);
    for (; bytes >= 4; bytes -= 4, to += 4, from += 4) __builtin_memcpy(to, from, 4);
    for (; bytes > 0; bytes--) *to++ = *from++;
}

#else

static inline void hb_copy_bytes(int8_t *to, const int8_t *from, int32_t bytes) {
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
        const uint32_t words = (uint32_t)bytes & ~3u;
        hb_copy_words(to, from, words);
        to += words;
        from += words;
        bytes &= 3;
    }
#pragma GCC unroll 4
    for (; bytes > 0; bytes--) *to++ = *from++;
}

#endif

static inline void hb_fill_bytes(int8_t *to, int32_t value, int32_t bytes) {
#pragma GCC unroll 4
    for (; bytes > 0; bytes--) *to++ = (int8_t)value;
}

#endif
