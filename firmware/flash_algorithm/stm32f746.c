/* Flash algorithm for the STM32F746 (RM0385 section 3), with the entry points of a CMSIS FLM.
 *
 * It runs in RAM under a debugger, wherever it is put: no data, no absolute address of its own.  It
 * expects the core as reset leaves it (HSI at 16 MHz, interrupts off, caches off).  Every wait is
 * bounded, and every error flag is returned.
 *
 * Returned: 0 = fine; 0x100 | FLASH_SR error flags; or one of the codes below. */
#include <stdint.h>

#include "stm32f746_flash.h"

enum {
    ALGORITHM_ERROR_FLAGS = 0x100,
    ALGORITHM_TIMEOUT = 0x200,
    ALGORITHM_LOCKED = 0x201,
    ALGORITHM_BAD_ADDRESS = 0x202,
};

/* Polls of FLASH_SR, some 10 cycles of 62.5 ns each: well above the longest times of the datasheet
 * (DS10916 table 46: 100 us for a word, 4 s for 256 KiB, 32 s for all). */
#define POLLS_PROGRAM 10000u
#define POLLS_SECTOR 20000000u
#define POLLS_CHIP 100000000u

#define FLASH_BASE_AXIM 0x08000000u
#define FLASH_BYTES 0x00100000u
#define SR_ERRORS \
    (FLASH_SR_OPERR | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_ERSERR)

int Init(uint32_t address, uint32_t clock_hz, uint32_t function);
int UnInit(uint32_t function);
int EraseChip(void);
int EraseSector(uint32_t address);
int ProgramPage(uint32_t address, uint32_t bytes, const uint32_t *data);

static int wait_ready(uint32_t polls)
{
    while ((FLASH_SR & FLASH_SR_BSY) != 0u) {
        if (polls-- == 0u) {
            return ALGORITHM_TIMEOUT;
        }
    }
    const uint32_t errors = FLASH_SR & SR_ERRORS;
    if (errors != 0u) {
        FLASH_SR = errors; /* cleared by writing 1 (3.7.4) */
        return (int)(ALGORITHM_ERROR_FLAGS | errors);
    }
    return 0;
}

static int erase(uint32_t what, uint32_t polls)
{
    FLASH_CR = FLASH_CR_PSIZE_WORD | what;
    FLASH_CR = FLASH_CR_PSIZE_WORD | what | FLASH_CR_STRT; /* 3.5.3 */
    const int status = wait_ready(polls);
    if (status != ALGORITHM_TIMEOUT) {
        FLASH_CR = 0; /* not while BSY is set */
    }
    return status;
}

/* Called before each group of operations; `function`: 1 erase, 2 program, 3 verify. */
int Init(uint32_t address, uint32_t clock_hz, uint32_t function)
{
    (void)address;
    (void)clock_hz;
    (void)function;
    if ((FLASH_CR & FLASH_CR_LOCK) != 0u) {
        FLASH_KEYR = FLASH_KEYR_KEY1;
        FLASH_KEYR = FLASH_KEYR_KEY2;
    }
    if ((FLASH_CR & FLASH_CR_LOCK) != 0u) {
        return ALGORITHM_LOCKED;
    }
    FLASH_SR = SR_ERRORS | FLASH_SR_EOP;
    return wait_ready(POLLS_SECTOR);
}

/* Called after each group of operations. */
int UnInit(uint32_t function)
{
    (void)function;
    FLASH_CR = FLASH_CR_LOCK;
    return 0;
}

/* Erase all of the flash. */
int EraseChip(void)
{
    return erase(FLASH_CR_MER, POLLS_CHIP);
}

/* Erase the sector that holds `address`: 4 x 32 KiB, 128 KiB, 3 x 256 KiB (3.3.2 table 3). */
int EraseSector(uint32_t address)
{
    const uint32_t offset = address - FLASH_BASE_AXIM;
    uint32_t sector;
    if (offset >= FLASH_BYTES) {
        return ALGORITHM_BAD_ADDRESS;
    }
    if (offset < 0x20000u) {
        sector = offset >> 15;
    } else if (offset < 0x40000u) {
        sector = 4;
    } else {
        sector = 4u + (offset >> 18);
    }
    return erase(FLASH_CR_SER | (sector << FLASH_CR_SNB_Pos), POLLS_SECTOR);
}

/* Program `bytes` (a multiple of 4) of erased flash, a word at a time (3.5.4). */
int ProgramPage(uint32_t address, uint32_t bytes, const uint32_t *data)
{
    volatile uint32_t *flash = (volatile uint32_t *)address;
    const uint32_t offset = address - FLASH_BASE_AXIM;
    int status = 0;
    if ((offset & 3u) != 0u || offset >= FLASH_BYTES || bytes > FLASH_BYTES - offset) {
        return ALGORITHM_BAD_ADDRESS;
    }
    FLASH_CR = FLASH_CR_PSIZE_WORD | FLASH_CR_PG;
    for (uint32_t i = 0; i < (bytes + 3u) / 4u && status == 0; i++) {
        flash[i] = data[i];
        __asm volatile("dsb" ::: "memory"); /* the store is out before BSY is read (3.5.4) */
        status = wait_ready(POLLS_PROGRAM);
    }
    if (status != ALGORITHM_TIMEOUT) {
        FLASH_CR = 0;
    }
    return status;
}

/* What the FLM format says of the device (CMSIS-Pack, flash programming). */
struct flash_sector {
    uint32_t bytes;
    uint32_t offset;
};

struct flash_device {
    uint16_t version;
    char name[128];
    uint16_t type; /* 1 = on-chip */
    uint32_t start;
    uint32_t bytes;
    uint32_t page_bytes;
    uint32_t reserved;
    uint8_t erased;
    uint8_t padding[3];
    uint32_t program_timeout_ms;
    uint32_t erase_timeout_ms;
    struct flash_sector sectors[4];
};

extern const struct flash_device FlashDevice;
const struct flash_device FlashDevice __attribute__((used, section("DevDscr"))) = {
    .version = 0x0101,
    .name = "hilbench STM32F746 1 MiB",
    .type = 1,
    .start = FLASH_BASE_AXIM,
    .bytes = FLASH_BYTES,
    .page_bytes = 4096,
    .erased = 0xFF,
    .program_timeout_ms = 1000,
    .erase_timeout_ms = 6000,
    .sectors = {{0x8000, 0x00000}, {0x20000, 0x20000}, {0x40000, 0x40000}, {~0u, ~0u}},
};
