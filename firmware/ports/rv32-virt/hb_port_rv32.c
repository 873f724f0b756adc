/* QEMU's RISC-V `virt` machine: 16550 UART, PLIC, CLINT; counter minstret. */
#define HB_ARENA_BYTES (1u << 20)
#include "hb_emulated_port.h"
#include "hb_meta.h"

#define REGISTER8(address) (*(volatile uint8_t *)(address))
#define REGISTER32(address) (*(volatile uint32_t *)(address))

#define TEST_FINISHER 0x00100000u /* SiFive test device: 0x7777 resets the machine */
#define TEST_FINISHER_RESET 0x7777u
#define MTIMECMP_LOW 0x02004000u
#define MTIMECMP_HIGH 0x02004004u
#define MTIME_LOW 0x0200BFF8u
#define MTIME_HIGH 0x0200BFFCu
#define MTIME_HZ 10000000u
#define UART_IRQ 10u
#define PLIC_PRIORITY (0x0C000000u + 4u * UART_IRQ)
#define PLIC_ENABLE 0x0C002000u
#define PLIC_THRESHOLD 0x0C200000u
#define PLIC_CLAIM 0x0C200004u
#define UART_RBR 0x10000000u
#define UART_THR 0x10000000u
#define UART_IER 0x10000001u
#define UART_IER_ERBFI (1u << 0)
#define UART_LSR 0x10000005u
#define UART_LSR_DR (1u << 0)
#define UART_LSR_OE (1u << 1)
#define UART_LSR_THRE (1u << 5)
#define UART_LSR_TEMT (1u << 6)

#define MSTATUS_MIE (1u << 3)
#define MIE_MTIE (1u << 7)
#define MIE_MEIE (1u << 11)
#define MCAUSE_TIMER 0x80000007u

#define BAUD 115200u
#define SLOT_BASE 0x80400000u
#define SLOT_ROOM 0x00400000u
#define UPLOAD_BASE 0x80800000u
#define UPLOAD_ROOM 0x00400000u

__attribute__((aligned(16), used)) uint8_t hb_fault_stack[512];
static volatile uint32_t interrupts;
static uint32_t interrupts_before;
static uint64_t window_start;

void hb_interrupt(void);
void hb_fault(uint32_t pc, uint32_t lr, uint32_t cause, uint32_t address);

static uint64_t mtime(void) {
    uint32_t high, low;
    do {
        high = REGISTER32(MTIME_HIGH);
        low = REGISTER32(MTIME_LOW);
    } while (high != REGISTER32(MTIME_HIGH));
    return ((uint64_t)high << 32) | low;
}

static void next_tick(void) {
    const uint64_t at = mtime() + MTIME_HZ / 1000u;
    REGISTER32(MTIMECMP_HIGH) = UINT32_MAX; /* no match in between */
    REGISTER32(MTIMECMP_LOW) = (uint32_t)at;
    REGISTER32(MTIMECMP_HIGH) = (uint32_t)(at >> 32);
}

__attribute__((interrupt("machine"))) void hb_interrupt(void) {
    uint32_t cause;
    __asm volatile("csrr %0, mcause" : "=r"(cause));
    interrupts++;
    if (cause == MCAUSE_TIMER) {
        next_tick(); /* only wakes the idle loop */
        return;
    }
    const uint32_t irq = REGISTER32(PLIC_CLAIM);
    uint32_t status;
    while (((status = REGISTER8(UART_LSR)) & UART_LSR_DR) != 0u) {
        if ((status & UART_LSR_OE) != 0u) overrun_count++;
        hb_ring_put(&rx, REGISTER8(UART_RBR));
    }
    REGISTER32(PLIC_CLAIM) = irq;
}

__attribute__((noreturn)) void hb_fault(uint32_t pc, uint32_t lr, uint32_t cause,
                                        uint32_t address) {
    hb_report_fault(pc, lr, cause, 0, address);
    __asm volatile("csrw mie, zero");
    for (;;) __asm volatile("wfi");
}

static void uart_write(const uint8_t *from, uint32_t bytes) {
    for (; bytes > 0u; bytes--) {
        while ((REGISTER8(UART_LSR) & UART_LSR_THRE) == 0u) {
        }
        REGISTER8(UART_THR) = *from++;
    }
}

void hb_port_fault_write(const uint8_t *from, uint32_t bytes) { uart_write(from, bytes); }

static bool uart_tx_idle(void) { return (REGISTER8(UART_LSR) & UART_LSR_TEMT) != 0u; }

static void uart_link_set(uint32_t baud, uint8_t rx_mode) {
    (void)baud; /* the emulated line has no rate */
    (void)rx_mode;
}

/* A pending interrupt ends WFI though mstatus.MIE is clear (3.3.3). */
static void idle(void) {
    __asm volatile("csrc mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
    if (hb_ring_is_empty(&rx)) __asm volatile("wfi" ::: "memory");
    __asm volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
}

static uint32_t millis(void) { return (uint32_t)(mtime() / (MTIME_HZ / 1000u)); }

static uint64_t instructions(void) {
    uint32_t high, low, again;
    do {
        __asm volatile("csrr %0, minstreth\n\t"
                       "csrr %1, minstret\n\t"
                       "csrr %2, minstreth"
                       : "=&r"(high), "=&r"(low), "=&r"(again));
    } while (high != again);
    return ((uint64_t)high << 32) | low;
}

static uint32_t counter_read(void) { return (uint32_t)instructions(); }
static void counter_start(void) { window_start = instructions(); }
static uint64_t counter_stop(void) { return instructions() - window_start; }

static void window_begin(void) {
    __asm volatile("csrc mie, %0" ::"r"(MIE_MTIE) : "memory");
    interrupts_before = interrupts;
}

static uint32_t window_end(void) {
    const uint32_t taken = interrupts - interrupts_before;
    __asm volatile("csrs mie, %0" ::"r"(MIE_MTIE) : "memory");
    return taken;
}

static void reset(void) {
    REGISTER32(TEST_FINISHER) = TEST_FINISHER_RESET;
    for (;;) {
    }
}

static const struct hb_port port = {
    .identity =
        {
            .board = "rv32-virt",
            .firmware_digest = hb_meta.firmware_digest,
            .reset_cause = HB_RESET_CAUSE_UNKNOWN,
            .core_clock_hz = 10000000,
            .counter_kind = HB_COUNTER_KIND_MINSTRET,
            .counter_bits = 64,
            .counter_hz = 1000000000,
            HB_EMULATED_LINE(BAUD),
            .slot_address = SLOT_BASE,
        },
    HB_EMULATED_PORT_FIELDS,
    .upload = {(uint8_t *)UPLOAD_BASE, UPLOAD_ROOM},
    .slot = (const uint8_t *)SLOT_BASE,
    .slot_bytes = SLOT_ROOM,
    .millis = millis,
    .window_begin = window_begin,
    .counter_start = counter_start,
    .counter_stop = counter_stop,
    .window_end = window_end,
    .counter_read = counter_read,
    .reset = reset,
};

const struct hb_port *hb_port_start(void) {
    REGISTER8(UART_IER) = UART_IER_ERBFI;
    REGISTER32(PLIC_PRIORITY) = 1;
    REGISTER32(PLIC_ENABLE) = 1u << UART_IRQ;
    REGISTER32(PLIC_THRESHOLD) = 0;
    next_tick();
    __asm volatile("csrs mie, %0" ::"r"(MIE_MTIE | MIE_MEIE));
    __asm volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE));
    return &port;
}
