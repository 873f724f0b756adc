/* Clocks, caches and identity of the STM32F746. */
#ifndef HB_CLOCK_H
#define HB_CLOCK_H

#include <stdint.h>

#define HB_HSE_HZ 8000000u /* the ST-LINK's MCO (UM1974 6.8.1) */

void hb_clock_start(void);  /* 216 MHz, over-drive, 7 wait states, ART, prefetch */
void hb_caches_start(void); /* both L1 caches, invalidated first */
/* All read back from the registers. */
uint32_t hb_core_clock_hz(void);
uint32_t hb_usart3_clock_hz(void);
uint32_t hb_clock_flags(void);
uint8_t hb_wait_states(void);

#endif
