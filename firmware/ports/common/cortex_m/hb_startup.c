#include "hb_cortex_m.h"
#include "hb_start.h"

/* Runs before .data and .bss are there; the FPU must be on before any other C function, which may
 * save its registers.  Code for Armv6-M runs without unaligned accesses also where the core would
 * allow them. */
__attribute__((noreturn)) void hb_reset_entry(void) {
    __asm volatile("cpsid i");
#if __ARM_ARCH == 6
    HB_REGISTER(SCB_CCR) |= SCB_CCR_UNALIGN_TRP;
#else
    HB_REGISTER(SCB_CPACR) |= SCB_CPACR_CP10_CP11;
#endif
    hb_barrier();
    hb_prepare_memory();
    __asm volatile("cpsie i");
    (void)main();
    for (;;) {
    }
}

void hb_system_reset(void) {
    HB_REGISTER(SCB_AIRCR) = SCB_AIRCR_VECTKEY | SCB_AIRCR_SYSRESETREQ;
    hb_barrier();
    for (;;) {
    }
}

void hb_enable_irq(uint32_t irq) {
    HB_REGISTER(NVIC_ISER0 + 4u * (irq / 32u)) = 1u << (irq % 32u);
}

void hb_sleep_unless(bool (*is_ready)(void)) {
    __asm volatile("cpsid i" ::: "memory");
    /* A pending interrupt ends WFI though PRIMASK keeps it from being taken [B1.5.18]. */
    if (!is_ready()) __asm volatile("dsb\n\twfi" ::: "memory");
    __asm volatile("cpsie i\n\tisb" ::: "memory");
}
