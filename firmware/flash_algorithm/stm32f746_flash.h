/* FLASH registers of the STM32F746, as RM0385 section 3.7 names them. */
#ifndef STM32F746_FLASH_H
#define STM32F746_FLASH_H

#include <stdint.h>

#define FLASH_KEYR (*(volatile uint32_t *)0x40023C04u) /* 3.7.2 */
#define FLASH_SR (*(volatile uint32_t *)0x40023C0Cu)   /* 3.7.4 */
#define FLASH_CR (*(volatile uint32_t *)0x40023C10u)   /* 3.7.5 */

#define FLASH_KEYR_KEY1 0x45670123u /* 3.5.1 */
#define FLASH_KEYR_KEY2 0xCDEF89ABu

#define FLASH_SR_EOP (1u << 0)
#define FLASH_SR_OPERR (1u << 1)
#define FLASH_SR_WRPERR (1u << 4)
#define FLASH_SR_PGAERR (1u << 5)
#define FLASH_SR_PGPERR (1u << 6)
#define FLASH_SR_ERSERR (1u << 7)
#define FLASH_SR_BSY (1u << 16)

#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_SER (1u << 1)
#define FLASH_CR_MER (1u << 2)
#define FLASH_CR_SNB_Pos 3u
#define FLASH_CR_PSIZE_WORD (2u << 8) /* 32 bits at a time: VDD of 2.7 V and more (3.5.2) */
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)

#endif
