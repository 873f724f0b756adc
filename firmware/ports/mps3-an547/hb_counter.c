/* SSE system counter (Arm 101370, section 5.4): 64 bits, counts up; writable while it is off. */
#include "hb_counter.h"

#include "hb_board.h"
#include "hb_cortex_m.h"

#define CNTCR (HB_SSE_COUNTER_BASE + 0x0u)
#define CNTCR_EN (1u << 0)
#define CNTCV_LOW (HB_SSE_COUNTER_BASE + 0x8u)
#define CNTCV_HIGH (HB_SSE_COUNTER_BASE + 0xCu)

void hb_counter_init(void) { hb_counter_start(); }

void hb_counter_start(void) {
    HB_REGISTER(CNTCR) = 0;
    HB_REGISTER(CNTCV_LOW) = 0;
    HB_REGISTER(CNTCV_HIGH) = 0;
    HB_REGISTER(CNTCR) = CNTCR_EN;
}

uint64_t hb_counter_stop(void) {
    uint32_t low = HB_REGISTER(CNTCV_LOW);
    uint32_t high = HB_REGISTER(CNTCV_HIGH);
    const uint32_t again = HB_REGISTER(CNTCV_LOW);
    if (again < low) { /* the low word wrapped between the reads */
        low = again;
        high = HB_REGISTER(CNTCV_HIGH);
    }
    return ((uint64_t)high << 32) | low;
}

uint32_t hb_counter_read(void) { return HB_REGISTER(CNTCV_LOW); }
