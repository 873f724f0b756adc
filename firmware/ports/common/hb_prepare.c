#include <string.h>

#include "hb_start.h"

/* From the linker script. */
extern uint8_t hb_stack_bottom[], hb_stack_top[];
extern uint8_t hb_data_start[], hb_data_end[], hb_data_load[];
extern uint8_t hb_bss_start[], hb_bss_end[];

#define PAINT 0xA5u
/* What this function's own frame and its callee's may take. */
#define MARGIN_BYTES 128u

void hb_prepare_memory(void) {
    const uint8_t *here = __builtin_frame_address(0);
    memset(hb_stack_bottom, PAINT, (size_t)(here - hb_stack_bottom) - MARGIN_BYTES);
    memcpy(hb_data_start, hb_data_load, (size_t)(hb_data_end - hb_data_start));
    memset(hb_bss_start, 0, (size_t)(hb_bss_end - hb_bss_start));
}

uint32_t hb_stack_used(void) {
    const uint8_t *lowest = hb_stack_bottom;
    while (lowest < hb_stack_top && *lowest == PAINT) lowest++;
    return (uint32_t)(hb_stack_top - lowest);
}

uint32_t hb_stack_capacity(void) { return (uint32_t)(hb_stack_top - hb_stack_bottom); }
