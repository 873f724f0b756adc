/* Reads images from standard input, each as u32 size and bytes, and prints what the engine says to
 * each: "status detail".  Built with sanitizers, and with coverage. */
#include <stdio.h>
#include <stdlib.h>

#include "hb_shim.h"

enum { MOST_BYTES = 1 << 20, ARENA_BYTES = 32 << 10 };

int main(void) {
    uint8_t head[4];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        const uint32_t bytes = hb_get_u32(head);
        if (bytes > MOST_BYTES) return 1;
        uint8_t *image = malloc((size_t)bytes + 1u);
        if (image == NULL || fread(image, 1, bytes, stdin) != bytes) return 1;
        uint32_t detail = 0;
        const int status = hb_shim_infer(image, bytes, ARENA_BYTES, NULL, NULL, &detail);
        (void)printf("%d %u\n", status, detail);
        free(image);
    }
    return 0;
}
