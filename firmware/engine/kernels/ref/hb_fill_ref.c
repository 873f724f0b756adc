#include <string.h>

#include "hb_movement.h"

void hb_fill_ref(void *output, uint32_t elements, uint32_t element_bytes, uint32_t value) {
    uint8_t *bytes = output;
    uint16_t *halves = output;
    uint32_t *words = output;
    switch (element_bytes) {
    case 1: memset(bytes, (int)(value & 0xFFu), elements); break;
    case 2:
        for (uint32_t i = 0; i < elements; i++) halves[i] = (uint16_t)value;
        break;
    default:
        for (uint32_t i = 0; i < elements; i++) words[i] = value;
        break;
    }
}
