/* Packed int4 weights to packed int8 ones (hb_dsp.h): h = a + 256 b of two nibbles. */
#include "dsp/hb_dsp.h"

#define NIBBLES 0x0F000F00u
#define SIGNS 0x08080808u

/* (x ^ 8) - 8 of every nibble, halfword by halfword: a + 256 b of both. */
static inline uint32_t join(uint32_t nibbles) {
    const uint32_t flipped = nibbles ^ SIGNS;
#if HB_DSP_ASM
    uint32_t halves;
    __asm__("ssub16 %0, %1, %2" : "=r"(halves) : "r"(flipped), "r"(SIGNS));
    return halves;
#else
    const uint32_t low = (flipped - SIGNS) & 0xFFFFu;
    return low | ((flipped >> 16) - (SIGNS >> 16)) << 16;
#endif
}

const uint8_t *hb_unpack_p4(const uint8_t *from, uint32_t blocks, uint32_t depth, int32_t *to) {
    for (uint32_t block = 0; block < blocks; block++) {
        const int32_t *words = (const int32_t *)(const void *)from;
        *to++ = words[0];
        *to++ = words[1];
        for (uint32_t k = 0; k < depth; k += 4u) {
            const uint32_t bytes = (uint32_t)words[2u + k / 4u];
            const uint32_t odd = bytes >> 8;
            *to++ = (int32_t)join((bytes & NIBBLES >> 8) | ((bytes << 4) & NIBBLES));
            *to++ = (int32_t)join((odd & NIBBLES >> 8) | ((odd << 4) & NIBBLES));
        }
        const int32_t *scales = words + 2u + depth / 4u;
        for (uint32_t i = 0; i < 4u; i++) *to++ = scales[i];
        from += HB_P4_FIXED_BYTES + depth;
    }
    return from;
}
