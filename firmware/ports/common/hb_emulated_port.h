/* What the ports to QEMU's machines have in common: buffers, a line that is read from an interrupt,
 * and the port's fields for these.  HB_ARENA_BYTES is the machine's; it defines uart_write(),
 * uart_tx_idle(), uart_link_set() and idle(). */
#ifndef HB_EMULATED_PORT_H
#define HB_EMULATED_PORT_H

#include "hb_protocol.h"
#include "hb_ring.h"
#include "hb_start.h"

enum { RX_BYTES = 16 << 10, OUT_BYTES = 64 << 10, VECTOR_BYTES = 64 << 10 };

__attribute__((section(".buffers"))) static uint8_t rx_data[RX_BYTES];
__attribute__((section(".big"), aligned(16))) static uint8_t vectors[VECTOR_BYTES];
__attribute__((section(".big"), aligned(16))) static uint8_t out_ring[OUT_BYTES];
__attribute__((section(".big"), aligned(16))) static uint8_t arena[HB_ARENA_BYTES];
static struct hb_ring rx = {.data = rx_data, .bytes = RX_BYTES};
static volatile uint32_t overrun_count;

static uint32_t uart_read(uint8_t *to, uint32_t room) { return hb_ring_get(&rx, to, room); }
static uint32_t overruns(void) { return overrun_count + rx.lost; }
static uint32_t line_errors(void) { return 0; } /* these UARTs do not see them */

/* Of struct hb_identity. */
#define HB_EMULATED_LINE(rate)                                                                     \
    .baud = (rate), .max_baud = (rate), .rx_modes = HB_RX_MODE_IRQ, .rx_mode = HB_RX_MODE_IRQ,     \
    .rx_buffer_bytes = RX_BYTES

/* Of struct hb_port. */
#define HB_EMULATED_PORT_FIELDS                                                                    \
    .arena = {arena, sizeof arena}, .vectors = {vectors, sizeof vectors},                          \
    .out = {out_ring, sizeof out_ring}, .read = uart_read, .write = uart_write,                    \
    .tx_idle = uart_tx_idle, .link_set = uart_link_set, .overruns = overruns,                      \
    .line_errors = line_errors, .idle = idle, .stack_used = hb_stack_used,                         \
    .stack_capacity = hb_stack_capacity

#endif
