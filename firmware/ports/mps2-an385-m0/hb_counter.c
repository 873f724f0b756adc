/* CMSDK APB timer 0 (Arm DDI 0479, section 4.2): 32 bits, counts down. */
#include "hb_counter.h"

#include "hb_board.h"
#include "hb_cortex_m.h"

#define TIMER_CTRL (HB_TIMER_BASE + 0x0u)
#define TIMER_CTRL_EN (1u << 0)
#define TIMER_VALUE (HB_TIMER_BASE + 0x4u)
#define TIMER_RELOAD (HB_TIMER_BASE + 0x8u)

void hb_counter_init(void) { hb_counter_start(); }

void hb_counter_start(void) {
    HB_REGISTER(TIMER_CTRL) = 0;
    HB_REGISTER(TIMER_RELOAD) = UINT32_MAX;
    HB_REGISTER(TIMER_VALUE) = UINT32_MAX;
    HB_REGISTER(TIMER_CTRL) = TIMER_CTRL_EN;
}

uint64_t hb_counter_stop(void) { return UINT32_MAX - HB_REGISTER(TIMER_VALUE); }

uint32_t hb_counter_read(void) { return UINT32_MAX - HB_REGISTER(TIMER_VALUE); }
