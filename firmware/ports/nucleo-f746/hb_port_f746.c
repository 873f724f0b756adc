/* NUCLEO-F746ZG: DTCM holds stack, receive ring, transmit buffer and vectors; SRAM1 and SRAM2 hold
 * the rest; the arena is cached. */
#include <string.h>

#include "hb_adc.h"
#include "hb_clock.h"
#include "hb_cortex_m.h"
#include "hb_meta.h"
#include "hb_protocol.h"
#include "hb_start.h"
#include "hb_usart.h"
#include "stm32f746_registers.h"

enum {
    BAUD = 115200,
    MAX_BAUD = 921600,
    IRQ_DMA1_STREAM1 = 12, /* RM0385 10.1.2, table 46 */
    IRQ_DMA1_STREAM3 = 14,
    IRQ_USART3 = 39,
    IRQ_COUNT = 98,
    VECTOR_BYTES = 32 << 10,
    OUT_BYTES = 16 << 10, /* a power of two, as the out stream's offsets wrap */
    ARENA_BYTES = 224 << 10,
    SLOT_ADDRESS = 0x08040000, /* flash sectors 5 to 7 */
    SLOT_BYTES = 768 << 10,
};

#define DWT_LAR_KEY 0xC5ACCE55u

__attribute__((section(".buffers"), aligned(16))) static uint8_t vectors[VECTOR_BYTES];
__attribute__((section(".big"), aligned(16))) static uint8_t out_ring[OUT_BYTES];
__attribute__((section(".big"), aligned(32))) static uint8_t arena[ARENA_BYTES];

__attribute__((section(".vectors"), used)) static const hb_vector vector_table[] = {
    HB_SYSTEM_VECTORS,
    [16 ... 16 + IRQ_DMA1_STREAM1 - 1] = hb_fault_entry,
    [16 + IRQ_DMA1_STREAM1] = hb_usart_rx_dma_isr,
    [16 + IRQ_DMA1_STREAM1 + 1] = hb_fault_entry,
    [16 + IRQ_DMA1_STREAM3] = hb_usart_tx_dma_isr,
    [16 + IRQ_DMA1_STREAM3 + 1 ... 16 + IRQ_USART3 - 1] = hb_fault_entry,
    [16 + IRQ_USART3] = hb_usart_isr,
    [16 + IRQ_USART3 + 1 ... 16 + IRQ_COUNT - 1] = hb_fault_entry,
};

static uint32_t window_start;

static void counter_init(void) {
    HB_REGISTER(DCB_DEMCR) |= DCB_DEMCR_TRCENA;
    HB_REGISTER(DWT_LAR) = DWT_LAR_KEY; /* the M7 locks the DWT at reset */
    HB_REGISTER(DWT_CYCCNT) = 0;
    HB_REGISTER(DWT_CTRL) |= DWT_CTRL_CYCCNTENA;
    /* WFI stops the core's clock, and CYCCNT with it; the clock check waits in WFI.  DBG_SLEEP
     * keeps FCLK and HCLK on (RM0385 40.16.1). */
    HB_REGISTER(DBGMCU_CR) |= DBGMCU_CR_DBG_SLEEP;
}

static uint32_t counter_read(void) { return HB_REGISTER(DWT_CYCCNT); }

static void counter_start(void) {
    hb_barrier(); /* what came before has finished */
    window_start = HB_REGISTER(DWT_CYCCNT);
}

static uint64_t counter_stop(void) {
    hb_barrier();
    return HB_REGISTER(DWT_CYCCNT) - window_start; /* modulo 2^32: up to 19.8 s */
}

static void idle(void) { hb_sleep_unless(hb_usart_has_bytes); }

void hb_port_fault_write(const uint8_t *from, uint32_t bytes) {
    HB_REGISTER(USART3_CR3) &= ~USART_CR3_DMAT; /* the DMA may still be feeding the transmitter */
    for (; bytes > 0u; bytes--) {
        while ((HB_REGISTER(USART3_ISR) & USART_ISR_TXE) == 0u) {
        }
        HB_REGISTER(USART3_TDR) = *from++;
    }
}

/* RM0385 5.3.21: several flags can stand; every reset pulls NRST, so the pin comes last. */
static uint8_t reset_cause(uint32_t csr) {
    if ((csr & RCC_CSR_LPWRRSTF) != 0u) return HB_RESET_CAUSE_LOW_POWER;
    if ((csr & (RCC_CSR_WDGRSTF | RCC_CSR_WWDGRSTF)) != 0u) return HB_RESET_CAUSE_WATCHDOG;
    if ((csr & RCC_CSR_SFTRSTF) != 0u) return HB_RESET_CAUSE_SOFTWARE;
    if ((csr & (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF)) != 0u) return HB_RESET_CAUSE_POWER;
    if ((csr & RCC_CSR_PADRSTF) != 0u) return HB_RESET_CAUSE_PIN;
    return HB_RESET_CAUSE_UNKNOWN;
}

static struct hb_port port = {
    .identity =
        {
            .board = "nucleo-f746",
            .firmware_digest = hb_meta.firmware_digest,
            .counter_kind = HB_COUNTER_KIND_DWT_CYCCNT,
            .counter_bits = 32,
            .baud = BAUD,
            .max_baud = MAX_BAUD,
            .rx_modes = HB_RX_MODE_IRQ | HB_RX_MODE_DMA,
            .rx_mode = HB_RX_MODE_IRQ,
            .rx_buffer_bytes = HB_RX_BYTES,
            .slot_address = SLOT_ADDRESS,
        },
    .arena = {arena, sizeof arena},
    .vectors = {vectors, sizeof vectors},
    .out = {out_ring, sizeof out_ring},
    .slot = (const uint8_t *)SLOT_ADDRESS,
    .slot_bytes = SLOT_BYTES,
    .read = hb_usart_read,
    .write = hb_usart_write,
    .tx_idle = hb_usart_tx_idle,
    .link_set = hb_usart_link_set,
    .overruns = hb_usart_overruns,
    .line_errors = hb_usart_line_errors,
    .idle = idle,
    .millis = hb_millis,
    .window_begin = hb_window_begin,
    .counter_start = counter_start,
    .counter_stop = counter_stop,
    .window_end = hb_window_end,
    .counter_read = counter_read,
    .stack_used = hb_stack_used,
    .stack_capacity = hb_stack_capacity,
    .reset = hb_system_reset,
};

static void attest(struct hb_identity *identity) {
    for (uint32_t i = 0; i < 3u; i++) {
        const uint32_t word = HB_REGISTER(UID_WORD0 + 4u * i);
        memcpy(identity->unique_id + 4u * i, &word, sizeof word);
    }
    identity->chip_id = HB_REGISTER(DBGMCU_IDCODE);
    identity->reset_cause_raw = HB_REGISTER(RCC_CSR);
    HB_REGISTER(RCC_CSR) |= RCC_CSR_RMVF; /* the next start sees its own cause */
    identity->reset_cause = reset_cause(identity->reset_cause_raw);
    identity->core_clock_hz = hb_core_clock_hz();
    identity->counter_hz = identity->core_clock_hz;
    identity->wait_states = hb_wait_states();
    identity->clock_flags = hb_clock_flags();
    hb_adc_measure(&identity->temperature_mc, &identity->vdd_mv);
}

const struct hb_port *hb_port_start(void) {
    hb_clock_start();
    hb_caches_start();
    attest(&port.identity);
    hb_usart_start(BAUD);
    hb_enable_irq(IRQ_DMA1_STREAM1);
    hb_enable_irq(IRQ_DMA1_STREAM3);
    hb_enable_irq(IRQ_USART3);
    hb_tick_start(port.identity.core_clock_hz);
    counter_init();
    return &port;
}
