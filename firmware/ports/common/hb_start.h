/* Between start-up code, the port and the common main loop. */
#ifndef HB_START_H
#define HB_START_H

#include "hb_port.h"

/* The port: brings clocks, line and counter up. */
const struct hb_port *hb_port_start(void);

/* Polled transmission that works whatever state the line is in; for the fault handler. */
void hb_port_fault_write(const uint8_t *from, uint32_t bytes);

/* Copies .data, clears .bss, paints the stack below its caller's frame. */
void hb_prepare_memory(void);
uint32_t hb_stack_used(void);
uint32_t hb_stack_capacity(void);

/* Sends a `fault` frame; the caller then stops the core. */
void hb_report_fault(uint32_t pc, uint32_t lr, uint32_t cfsr, uint32_t hfsr, uint32_t address);

int main(void);

#endif
