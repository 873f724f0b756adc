#include "hb_cortex_m.h"

#define TICK_HZ 1000u

volatile uint32_t hb_interrupts;
static volatile uint32_t milliseconds;
static uint32_t interrupts_before;

void hb_tick_isr(void) {
    hb_interrupts++;
    milliseconds++;
}

void hb_tick_start(uint32_t core_clock_hz) {
    HB_REGISTER(SYST_RVR) = core_clock_hz / TICK_HZ - 1u;
    HB_REGISTER(SYST_CVR) = 0;
    HB_REGISTER(SYST_CSR) = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
}

/* Stands still during windows: good enough for time-outs, never used to measure. */
uint32_t hb_millis(void) { return milliseconds; }

void hb_window_begin(void) {
    HB_REGISTER(SYST_CSR) = SYST_CSR_ENABLE | SYST_CSR_CLKSOURCE;
    hb_barrier(); /* a tick that was pending is taken here, before the count */
    interrupts_before = hb_interrupts;
}

uint32_t hb_window_end(void) {
    const uint32_t taken = hb_interrupts - interrupts_before;
    HB_REGISTER(SYST_CSR) = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
    return taken;
}
