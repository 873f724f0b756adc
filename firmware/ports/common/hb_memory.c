/* The four functions that a compiler may call in freestanding code.  The build keeps it from
 * turning these loops into calls of themselves (-fno-tree-loop-distribute-patterns). */
#include <stdint.h>
#include <string.h>

typedef uint32_t __attribute__((may_alias)) word;

static int is_aligned(const void *a, const void *b) {
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0u;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if (is_aligned(to, from)) {
        for (; bytes >= 4u; bytes -= 4u, out += 4, in += 4) {
            *(word *)(void *)out = *(const word *)(const void *)in;
        }
    }
    while (bytes-- > 0u) *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if (out <= in || out >= in + bytes) return memcpy(to, from, bytes);
    while (bytes-- > 0u) out[bytes] = in[bytes];
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    uint8_t *out = to;
    const uint32_t pattern = 0x01010101u * (uint8_t)value;
    if (is_aligned(to, to)) {
        for (; bytes >= 4u; bytes -= 4u, out += 4) *(word *)(void *)out = pattern;
    }
    while (bytes-- > 0u) *out++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
    const uint8_t *x = a, *y = b;
    for (; bytes > 0u; bytes--, x++, y++) {
        if (*x != *y) return *x < *y ? -1 : 1;
    }
    return 0;
}
