#include "hb_clock.h"

#include <stdbool.h>

#include "hb_cortex_m.h"
#include "hb_protocol.h"
#include "stm32f746_registers.h"

enum {
    PLL_M = 4,   /* 8 MHz / 4 = 2 MHz into the PLL: least jitter (RM0385 5.3.2) */
    PLL_N = 216, /* VCO 432 MHz */
    PLL_P = 2,   /* 216 MHz */
    PLL_Q = 9,   /* 48 MHz, unused, but must be in range */
    WAIT_STATES = 7, /* 210 to 216 MHz at 2.7 to 3.6 V (RM0385 3.3.2, table 5) */
    PPRE_DIV2 = 4,
    PPRE_DIV4 = 5,
    SW_MASK = 3,
    SW_PLL = 2,
    USART3SEL_SYSCLK = 1,
};

/* At least 5 ms at 16 MHz: an external clock is there at once, over-drive and PLL take less than
 * 0.4 ms (DS10916 table 41). */
#define READY_TURNS 20000u
#define PLLCFGR_RESERVED 0xF0000000u /* keep their reset value (5.3.2) */

static bool ready(uint32_t address, uint32_t bits) {
    for (uint32_t turn = 0; turn < READY_TURNS; turn++) {
        if ((HB_REGISTER(address) & bits) == bits) return true;
    }
    return false;
}

/* Over-drive by RM0385 4.1.4, while the PLL locks. */
static bool start_pll(void) {
    HB_REGISTER(RCC_APB1ENR) |= RCC_APB1ENR_PWREN;
    (void)HB_REGISTER(RCC_APB1ENR); /* the clock needs two cycles (5.2.12) */
    HB_REGISTER(RCC_CR) |= RCC_CR_HSEBYP;
    HB_REGISTER(RCC_CR) |= RCC_CR_HSEON;
    if (!ready(RCC_CR, RCC_CR_HSERDY)) return false; /* no clock from the ST-LINK */
    HB_REGISTER(RCC_PLLCFGR) = (HB_REGISTER(RCC_PLLCFGR) & PLLCFGR_RESERVED) | PLL_M |
                               ((uint32_t)PLL_N << 6) | ((uint32_t)(PLL_P / 2 - 1) << 16) |
                               RCC_PLLCFGR_PLLSRC | ((uint32_t)PLL_Q << 24);
    HB_REGISTER(RCC_CR) |= RCC_CR_PLLON;
    HB_REGISTER(PWR_CR1) |= PWR_CR1_ODEN; /* voltage scale 1 is the reset value (4.4.1) */
    if (!ready(PWR_CSR1, PWR_CSR1_ODRDY)) return false;
    HB_REGISTER(PWR_CR1) |= PWR_CR1_ODSWEN;
    return ready(PWR_CSR1, PWR_CSR1_ODSWRDY) && ready(RCC_CR, RCC_CR_PLLRDY);
}

/* The flash's wait states rise before the clock does (3.3.2).  Where the PLL does not start, the
 * core stays on HSI and says so: HELLO's clock is read back from the registers. */
void hb_clock_start(void) {
    if (start_pll()) {
        HB_REGISTER(FLASH_ACR) |= FLASH_ACR_ARTRST; /* only while the ART is off (3.7.1) */
        HB_REGISTER(FLASH_ACR) &= ~FLASH_ACR_ARTRST;
        HB_REGISTER(FLASH_ACR) = WAIT_STATES | FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN;
        while (hb_wait_states() != WAIT_STATES) {
        }
        /* APB1 54 MHz, APB2 108 MHz: their limits (5.3.3). */
        HB_REGISTER(RCC_CFGR) = ((uint32_t)PPRE_DIV4 << 10) | ((uint32_t)PPRE_DIV2 << 13);
        HB_REGISTER(RCC_CFGR) |= SW_PLL;
        while (((HB_REGISTER(RCC_CFGR) >> 2) & SW_MASK) != SW_PLL) {
        }
    }
    /* USART3 from SYSCLK: 216 MHz / 234 = 923,077 Bd, 0.16 % off 921,600 and exactly what the
     * ST-LINK makes (36 MHz / 39); from the 54 MHz of APB1 it would be 0.7 % off. */
    HB_REGISTER(RCC_DCKCFGR2) =
        (HB_REGISTER(RCC_DCKCFGR2) & ~(3u << 4)) | ((uint32_t)USART3SEL_SYSCLK << 4);
}

void hb_caches_start(void) {
    HB_REGISTER(SCB_ICIALLU) = 0;
    hb_barrier();
    HB_REGISTER(SCB_CCR) |= SCB_CCR_IC;
    hb_barrier();

    HB_REGISTER(SCB_CSSELR) = 0; /* level 1 data cache */
    hb_barrier();
    const uint32_t size = HB_REGISTER(SCB_CCSIDR);
    const uint32_t sets = ((size >> 13) & 0x7FFFu) + 1u, ways = ((size >> 3) & 0x3FFu) + 1u;
    for (uint32_t set = 0; set < sets; set++) {
        /* 32-byte lines: set from bit 5, way from bit 30 of four ways (ARMv7-M ARM B2.2.7) */
        for (uint32_t way = 0; way < ways; way++) {
            HB_REGISTER(SCB_DCISW) = (way << 30) | (set << 5);
        }
    }
    hb_barrier();
    HB_REGISTER(SCB_CCR) |= SCB_CCR_DC;
    hb_barrier();
}

uint32_t hb_core_clock_hz(void) {
    const uint32_t pll = HB_REGISTER(RCC_PLLCFGR), cfgr = HB_REGISTER(RCC_CFGR);
    const uint32_t hsi_hz = 16000000u;
    uint32_t hz = (pll & RCC_PLLCFGR_PLLSRC) != 0u ? HB_HSE_HZ : hsi_hz;
    switch ((cfgr >> 2) & SW_MASK) {
    case 0: hz = hsi_hz; break;
    case 1: hz = HB_HSE_HZ; break;
    default: hz = hz / (pll & 0x3Fu) * ((pll >> 6) & 0x1FFu) / (2u * (((pll >> 16) & 3u) + 1u));
    }
    return hz; /* HPRE is 1 */
}

uint32_t hb_usart3_clock_hz(void) { return hb_core_clock_hz(); }

uint8_t hb_wait_states(void) { return (uint8_t)(HB_REGISTER(FLASH_ACR) & 0xFu); }

uint32_t hb_clock_flags(void) {
    const uint32_t ccr = HB_REGISTER(SCB_CCR), acr = HB_REGISTER(FLASH_ACR);
    uint32_t flags = 0;
    if ((ccr & SCB_CCR_IC) != 0u) flags |= HB_CLOCK_FLAG_ICACHE;
    if ((ccr & SCB_CCR_DC) != 0u) flags |= HB_CLOCK_FLAG_DCACHE;
    if ((acr & FLASH_ACR_PRFTEN) != 0u) flags |= HB_CLOCK_FLAG_PREFETCH;
    if ((acr & FLASH_ACR_ARTEN) != 0u) flags |= HB_CLOCK_FLAG_ART;
    if ((HB_REGISTER(PWR_CSR1) & PWR_CSR1_ODSWRDY) != 0u) flags |= HB_CLOCK_FLAG_OVERDRIVE;
    return flags;
}
