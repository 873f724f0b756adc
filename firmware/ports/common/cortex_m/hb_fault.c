/* HardFault, NMI and every exception that should not happen: report, then stop. */
#include "hb_cortex_m.h"
#include "hb_start.h"

extern uint8_t hb_stack_bottom[];

enum { FRAME_LR = 5, FRAME_PC = 6, FRAME_WORDS = 8 }; /* exception frame [B1.5.6] */

/* The old stack may be what broke: the handler has one of its own. */
__attribute__((aligned(8), used)) static uint8_t hb_fault_stack[512];

__attribute__((noreturn, used)) static void hb_fault(const uint32_t *frame) {
    const uint32_t cfsr = HB_REGISTER(SCB_CFSR);
    const uint8_t *at = (const uint8_t *)frame;
    uint32_t pc = 0, lr = 0, address = 0;
    if (at >= hb_stack_bottom && at + 4 * FRAME_WORDS <= hb_stack_top) {
        pc = frame[FRAME_PC];
        lr = frame[FRAME_LR];
    }
    if ((cfsr & SCB_CFSR_BFARVALID) != 0u) address = HB_REGISTER(SCB_BFAR);
    else if ((cfsr & SCB_CFSR_MMARVALID) != 0u) address = HB_REGISTER(SCB_MMFAR);
    hb_report_fault(pc, lr, cfsr, HB_REGISTER(SCB_HFSR), address);
    __asm volatile("cpsid i");
    for (;;) __asm volatile("wfi");
}

__attribute__((naked)) void hb_fault_entry(void) {
    __asm volatile("mrs r0, msp\n\t"
                   "ldr r1, =hb_fault_stack + 512\n\t"
                   "mov sp, r1\n\t"
                   "bl hb_fault\n\t"
                   ".ltorg");
}
