#include "hb_elementwise.h"

void hb_lookup_ref(const uint8_t *input, const uint8_t *table, uint8_t *output, uint32_t elements,
                   uint8_t flip) {
    for (uint32_t i = 0; i < elements; i++) output[i] = table[input[i] ^ flip];
}
