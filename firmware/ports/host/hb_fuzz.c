/* Reads images from standard input, each as u32 size, u32 size of a vector, image, vector, and
 * answers each with i32 status, u32 detail, u32 branches taken for the first time (0 but in a build
 * with -DHB_COVERAGE -fsanitize-coverage=trace-pc), u32 size of the arena, arena.  A valid image is reset
 * and run once, its inputs filled with the vector again and again (0x5A without one); of others the
 * arena is empty.  All memory is of the exact size, so that a sanitizer sees every access beyond
 * its end.  Built with sanitizers, and with coverage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hb_engine.h"

enum { MOST_BYTES = 1 << 20, ARENA_BYTES = 32 << 10, ARENA_FILL = 0xA5, INPUT_FILL = 0x5A };

static uint32_t new_branches;

#ifdef HB_COVERAGE
enum { BRANCHES = 1 << 18 };

/* The compiler calls it in every basic block. */
void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void) {
    static uint8_t seen[BRANCHES];
    const uintptr_t from = (uintptr_t)__builtin_return_address(0);
    uint8_t *mark = &seen[from % BRANCHES]; /* the program is smaller, or nearly so */
    if (*mark == 0u) new_branches++;
    *mark = 1;
}
#endif

static uint8_t *read_block(uint32_t bytes) {
    uint8_t *block = malloc(bytes); /* aligned to 16 bytes */
    if (block == NULL) return NULL;
    if (fread(block, 1, bytes, stdin) == bytes) return block;
    free(block);
    return NULL;
}

static void fill(struct hb_span span, const uint8_t *vector, uint32_t vector_bytes) {
    for (uint32_t i = 0; i < span.bytes; i++) {
        span.data[i] = vector_bytes == 0u ? (uint8_t)INPUT_FILL : vector[i % vector_bytes];
    }
}

/* As large as the image says, but where that is too large. */
static uint32_t arena_bytes_of(const uint8_t *image, uint32_t bytes) {
    struct hb_image_header header;
    if (bytes < HB_IMAGE_HEADER_BYTES ||
        hb_image_header_decode(image, HB_IMAGE_HEADER_BYTES, &header) != 0) {
        return ARENA_BYTES;
    }
    return header.arena_bytes < ARENA_BYTES ? header.arena_bytes : ARENA_BYTES;
}

static bool answer(const uint8_t *image, uint32_t bytes, const uint8_t *vector,
                   uint32_t vector_bytes) {
    const uint32_t arena_bytes = arena_bytes_of(image, bytes);
    uint8_t *arena = malloc(arena_bytes);
    struct hb_engine engine;
    uint32_t detail = 0;
    if (arena == NULL) return false;
    memset(arena, ARENA_FILL, arena_bytes);
    const enum hb_engine_status status =
        hb_engine_init(&engine, image, bytes, arena, arena_bytes, &detail);
    if (status == HB_ENGINE_OK) {
        hb_engine_reset(&engine);
        for (uint32_t i = 0; i < engine.header.input_count; i++) {
            fill(hb_engine_input(&engine, i), vector, vector_bytes);
        }
        (void)hb_engine_invoke(&engine, NULL, NULL);
    }
    const uint32_t shown = status == HB_ENGINE_OK ? arena_bytes : 0u;
    const uint32_t head[4] = {(uint32_t)status, detail, new_branches, shown};
    new_branches = 0;
    const bool written = fwrite(head, sizeof head, 1, stdout) == 1u &&
                         fwrite(arena, 1, shown, stdout) == shown && fflush(stdout) == 0;
    free(arena);
    return written;
}

int main(void) {
    uint8_t head[8];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        const uint32_t bytes = hb_get_u32(head), vector_bytes = hb_get_u32(head + 4);
        if (bytes > MOST_BYTES || vector_bytes > MOST_BYTES) return 1;
        uint8_t *image = read_block(bytes), *vector = read_block(vector_bytes);
        if (image == NULL || vector == NULL) return 1;
        if (!answer(image, bytes, vector, vector_bytes)) return 1;
        free(image);
        free(vector);
    }
    return 0;
}
