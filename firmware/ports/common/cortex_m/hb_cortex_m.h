/* ARMv7-M / ARMv8-M system registers (ARM DDI 0403E, Armv7-M ARM: sections in brackets). */
#ifndef HB_CORTEX_M_H
#define HB_CORTEX_M_H

#include <stdbool.h>
#include <stdint.h>

#define HB_REGISTER(address) (*(volatile uint32_t *)(address))

#define SYST_CSR 0xE000E010u   /* SysTick control and status [B3.3.3] */
#define SYST_RVR 0xE000E014u   /* reload value [B3.3.4] */
#define SYST_CVR 0xE000E018u   /* current value [B3.3.5] */
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2)

#define NVIC_ISER0 0xE000E100u /* interrupt set-enable, 32 lines per word [B3.4.4] */

#define SCB_VTOR 0xE000ED08u   /* vector table offset [B3.2.5] */
#define SCB_AIRCR 0xE000ED0Cu  /* application interrupt and reset control [B3.2.6] */
#define SCB_AIRCR_VECTKEY (0x05FAu << 16)
#define SCB_AIRCR_SYSRESETREQ (1u << 2)
#define SCB_CCR 0xE000ED14u    /* configuration and control [B3.2.8] */
#define SCB_CCR_UNALIGN_TRP (1u << 3)
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define SCB_CFSR 0xE000ED28u   /* configurable fault status [B3.2.15] */
#define SCB_CFSR_MMARVALID (1u << 7)
#define SCB_CFSR_BFARVALID (1u << 15)
#define SCB_HFSR 0xE000ED2Cu   /* HardFault status [B3.2.16] */
#define SCB_MMFAR 0xE000ED34u  /* MemManage address [B3.2.18] */
#define SCB_BFAR 0xE000ED38u   /* BusFault address [B3.2.19] */
#define SCB_CPACR 0xE000ED88u  /* coprocessor access [B3.2.20] */
#define SCB_CPACR_CP10_CP11 (0xFu << 20)

static inline void hb_barrier(void) { __asm volatile("dsb\n\tisb" ::: "memory"); }

/* Handlers of the common code. */
void hb_reset_entry(void);
void hb_fault_entry(void);
void hb_tick_isr(void);

/* The first sixteen vectors [B1.5.2], stack pointer first. */
typedef void (*hb_vector)(void);
extern uint8_t hb_stack_top[];
#define HB_SYSTEM_VECTORS                                                                          \
    (hb_vector)(void *)hb_stack_top, hb_reset_entry, [2 ... 14] = hb_fault_entry,                  \
                                                     [15] = hb_tick_isr

/* hb_tick.c: a millisecond clock, and windows without it. */
void hb_tick_start(uint32_t core_clock_hz);
uint32_t hb_millis(void);
void hb_window_begin(void);
uint32_t hb_window_end(void);
extern volatile uint32_t hb_interrupts; /* every handler of ours counts itself here */

void hb_enable_irq(uint32_t irq);
/* Sleeps until an interrupt unless `is_ready()`; no wake-up is lost in between. */
void hb_sleep_unless(bool (*is_ready)(void));
void hb_system_reset(void);

#endif
