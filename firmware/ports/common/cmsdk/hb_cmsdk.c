/* Arm's MPS boards: CMSDK UART (Arm DDI 0479, section 4.3), one interrupt per byte.  The board's
 * header gives addresses, its counter file the counter. */
#include "hb_board.h"
#include "hb_cortex_m.h"
#include "hb_counter.h"
#include "hb_emulated_port.h"
#include "hb_meta.h"

#define UART_DATA (HB_UART_BASE + 0x0u)
#define UART_STATE (HB_UART_BASE + 0x4u)
#define UART_STATE_TXFULL (1u << 0)
#define UART_STATE_RXFULL (1u << 1)
#define UART_STATE_RXOVR (1u << 3)
#define UART_CTRL (HB_UART_BASE + 0x8u)
#define UART_CTRL_TXEN (1u << 0)
#define UART_CTRL_RXEN (1u << 1)
#define UART_CTRL_RXINTEN (1u << 3)
#define UART_INTCLEAR (HB_UART_BASE + 0xCu)
#define UART_INTCLEAR_RX (1u << 1)
#define UART_BAUDDIV (HB_UART_BASE + 0x10u)

static void uart_isr(void) {
    hb_interrupts++;
    const uint32_t state = HB_REGISTER(UART_STATE);
    if ((state & UART_STATE_RXOVR) != 0u) {
        HB_REGISTER(UART_STATE) = UART_STATE_RXOVR;
        overrun_count++;
    }
    HB_REGISTER(UART_INTCLEAR) = UART_INTCLEAR_RX;
    if ((state & UART_STATE_RXFULL) != 0u) hb_ring_put(&rx, (uint8_t)HB_REGISTER(UART_DATA));
}

__attribute__((section(".vectors"), used)) static const hb_vector vectors_table[] = {
    HB_SYSTEM_VECTORS,
#if HB_UART_RX_IRQ > 0
    [16 ... 16 + HB_UART_RX_IRQ - 1] = hb_fault_entry,
#endif
    [16 + HB_UART_RX_IRQ] = uart_isr,
    [16 + HB_UART_RX_IRQ + 1 ... 16 + HB_IRQ_COUNT - 1] = hb_fault_entry,
};

static void uart_write(const uint8_t *from, uint32_t bytes) {
    while (bytes-- > 0u) {
        while ((HB_REGISTER(UART_STATE) & UART_STATE_TXFULL) != 0u) {
        }
        HB_REGISTER(UART_DATA) = *from++;
    }
}

static bool uart_tx_idle(void) { return (HB_REGISTER(UART_STATE) & UART_STATE_TXFULL) == 0u; }

static void uart_link_set(uint32_t baud, uint8_t rx_mode) {
    (void)rx_mode;
    HB_REGISTER(UART_BAUDDIV) = HB_UART_CLOCK_HZ / baud;
}

static bool has_bytes(void) { return !hb_ring_is_empty(&rx); }
static void idle(void) { hb_sleep_unless(has_bytes); }

void hb_port_fault_write(const uint8_t *from, uint32_t bytes) { uart_write(from, bytes); }

static const struct hb_port port = {
    .identity =
        {
            .board = HB_BOARD_NAME,
            .firmware_digest = hb_meta.firmware_digest,
            .reset_cause = HB_RESET_CAUSE_UNKNOWN,
            .core_clock_hz = HB_CORE_CLOCK_HZ,
            .counter_kind = HB_COUNTER_KIND_TIMER,
            .counter_bits = HB_COUNTER_BITS,
            .counter_hz = HB_COUNTER_HZ,
            HB_EMULATED_LINE(HB_BAUD),
            .slot_address = HB_SLOT_ADDRESS,
        },
    HB_EMULATED_PORT_FIELDS,
    .upload = {(uint8_t *)HB_UPLOAD_BASE, HB_UPLOAD_ROOM},
    .slot = (const uint8_t *)HB_SLOT_ADDRESS,
    .slot_bytes = HB_SLOT_BYTES,
    .millis = hb_millis,
    .window_begin = hb_window_begin,
    .counter_start = hb_counter_start,
    .counter_stop = hb_counter_stop,
    .window_end = hb_window_end,
    .counter_read = hb_counter_read,
    .reset = hb_system_reset,
};

const struct hb_port *hb_port_start(void) {
    uart_link_set(HB_BAUD, HB_RX_MODE_IRQ);
    HB_REGISTER(UART_CTRL) = UART_CTRL_TXEN | UART_CTRL_RXEN | UART_CTRL_RXINTEN;
    hb_enable_irq(HB_UART_RX_IRQ);
    hb_tick_start(HB_CORE_CLOCK_HZ);
    hb_counter_init();
    return &port;
}
