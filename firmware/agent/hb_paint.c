#include <string.h>

#include "hb_agent.h"

#define PAINT 0xA5u

void hb_paint(struct hb_memory memory) { memset(memory.data, PAINT, memory.bytes); }

uint32_t hb_painted_high_water(struct hb_memory memory) {
    uint32_t bytes = memory.bytes;
    while (bytes > 0u && memory.data[bytes - 1u] == PAINT) bytes--;
    return bytes;
}
