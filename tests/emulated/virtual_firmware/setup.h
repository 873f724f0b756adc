/* Clock and serial port, done right: what the test programs build on.  registers.h is generated
 * from the register table. */
#ifndef SETUP_H
#define SETUP_H

#include <stdint.h>

#include "registers.h"

static inline void clock_216_mhz(void)
{
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    PWR_CR1 |= PWR_CR1_VOS;
    RCC_CR |= RCC_CR_HSEBYP;
    RCC_CR |= RCC_CR_HSEON;
    while (!(RCC_CR & RCC_CR_HSERDY)) {
    }
    RCC_PLLCFGR = 8u | (432u << 6) | RCC_PLLCFGR_PLLSRC | (9u << 24);
    RCC_CR |= RCC_CR_PLLON;
    PWR_CR1 |= PWR_CR1_ODEN;
    while (!(PWR_CSR1 & PWR_CSR1_ODRDY)) {
    }
    PWR_CR1 |= PWR_CR1_ODSWEN;
    while (!(PWR_CSR1 & PWR_CSR1_ODSWRDY)) {
    }
    while (!(RCC_CR & RCC_CR_PLLRDY)) {
    }
    FLASH_ACR = FLASH_ACR_ARTEN | FLASH_ACR_PRFTEN | 7u;
    RCC_CFGR = (5u << 10) | (4u << 13);
    RCC_CFGR |= 2u;
    while ((RCC_CFGR & RCC_CFGR_SWS) != 8u) {
    }
}

/* PD8 and PD9 on alternate function 7; 54 MHz at 216 MHz. */
static inline void usart3_start(uint32_t clock_hz, uint32_t baud, uint32_t control)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_GPIODEN;
    RCC_APB1ENR |= RCC_APB1ENR_USART3EN;
    (void)RCC_APB1ENR;
    GPIOD_AFRH |= 0x77u;
    GPIOD_MODER |= (2u << 16) | (2u << 18);
    USART3_BRR = (clock_hz + baud / 2u) / baud;
    USART3_CR1 = control | USART3_CR1_UE | USART3_CR1_TE | USART3_CR1_RE;
}

static inline void put_byte(uint8_t byte)
{
    while (!(USART3_ISR & USART3_ISR_TXE)) {
    }
    USART3_TDR = byte;
}

static inline void put_text(const char *text)
{
    while (*text) {
        put_byte((uint8_t)*text++);
    }
}

static inline void put_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        put_byte((uint8_t)"0123456789abcdef"[(value >> shift) & 15u]);
    }
    put_byte('\n');
}

static inline void enable_irq(uint32_t number)
{
    *(volatile uint32_t *)(0xE000E100u + 4u * (number / 32u)) = 1u << (number % 32u);
}

static inline void cycles_start(void)
{
    DCB_DEMCR |= DCB_DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55u;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

#endif
