/* Canonical Huffman decoding (harness: models/huffman.py).  Whatever table and bits hold, exactly
 * `bytes` are written and no more than `coded_bytes` are read: behind the end there are zeros, and
 * a code that no symbol has gives symbol 0. */
#include "hb_kernels.h"

#define SYMBOLS 256u
#define MAX_BITS 15u

struct codes {
    /* A left-aligned 16-bit window below `end[n]` starts with a code of at most n bits. */
    uint32_t end[MAX_BITS + 1u];
    /* Symbol of a code of n bits: symbols[base[n] + (window >> (16 - n))], modulo 2^16. */
    uint16_t base[MAX_BITS + 1u];
    uint8_t symbols[SYMBOLS];
};

static uint32_t length_of(const uint8_t *table, uint32_t symbol) {
    const uint32_t pair = table[symbol / 2u];
    return (symbol & 1u) != 0u ? pair >> 4 : pair & 15u;
}

static void build(const uint8_t *table, struct codes *codes) {
    uint32_t next = 0, position = 0;
    for (uint32_t bits = 1; bits <= MAX_BITS; bits++) {
        codes->base[bits] = (uint16_t)(position - next);
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
            if (length_of(table, symbol) != bits) continue;
            codes->symbols[position++] = (uint8_t)symbol; /* each symbol once: at most 256 */
            next++;
        }
        codes->end[bits] = next << (16u - bits);
        next <<= 1;
    }
    for (; position < SYMBOLS; position++) codes->symbols[position] = 0;
}

void hb_expand_ref(const struct hb_expand_args *args) {
    struct codes codes;
    build(args->table, &codes);
    uint32_t window = 0, bits = 0, at = 0; /* `bits` unread ones at the top of the window */
    for (uint32_t i = 0; i < args->bytes; i++) {
        while (bits <= 24u) {
            const uint32_t byte = at < args->coded_bytes ? args->coded[at] : 0u;
            window |= byte << (24u - bits);
            bits += 8u;
            at++;
        }
        const uint32_t top = window >> 16;
        uint32_t length = 1;
        while (length < MAX_BITS && top >= codes.end[length]) length++;
        const uint16_t index = (uint16_t)(codes.base[length] + (top >> (16u - length)));
        args->output[i] = top < codes.end[length] ? codes.symbols[index & (SYMBOLS - 1u)] : 0u;
        window <<= length;
        bits -= length;
    }
}
