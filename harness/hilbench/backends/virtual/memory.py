"""Memory map of the STM32F746ZG (RM0385 2.2.2, figure 2; datasheet DS10916 table 13)."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024

FLASH_AXIM = 0x0800_0000
FLASH_ITCM = 0x0020_0000
FLASH_BYTES = 1024 * KIB

ITCM_RAM = (0x0000_0000, 16 * KIB)
DTCM_RAM = (0x2000_0000, 64 * KIB)
SRAM1 = (0x2001_0000, 240 * KIB)
SRAM2 = (0x2004_C000, 16 * KIB)

#: System memory (boot loader, OTP, unique id, flash size), RM0385 3.3.2 table 3 and 41.1, 41.2.
SYSTEM_MEMORY = (0x1FF0_0000, 64 * KIB)
UNIQUE_ID = 0x1FF0_F420
FLASH_SIZE_KIB = 0x1FF0_F442
#: VREFIN_CAL, TS_CAL1, TS_CAL2: three half-words (DS10916 tables 74 and 76).
ADC_CALIBRATION = 0x1FF0_F44A

#: Where the core boots from with BOOT0 low and BOOT_ADD0 as delivered (RM0385 2.4).
BOOT_ADDRESS = FLASH_ITCM


@dataclass(frozen=True)
class Sector:
    """One flash sector: offset from the start of flash, and size, in bytes."""

    offset: int
    size: int


#: RM0385 3.3.2 table 3: 4 x 32 KiB, 128 KiB, 3 x 256 KiB.
SECTORS = (
    *(Sector(i * 32 * KIB, 32 * KIB) for i in range(4)),
    Sector(128 * KIB, 128 * KIB),
    *(Sector((256 + i * 256) * KIB, 256 * KIB) for i in range(3)),
)


def flash_offset(address: int, size: int = 1) -> int | None:
    """Offset into flash of ``address``, through either bus; None when not wholly in flash."""
    for base in (FLASH_AXIM, FLASH_ITCM):
        if base <= address and address + size <= base + FLASH_BYTES:
            return address - base
    return None


def within(region: tuple[int, int], address: int, size: int = 1) -> bool:
    """Whether ``size`` bytes from ``address`` lie in ``region`` (start, bytes)."""
    return region[0] <= address and address + size <= region[0] + region[1]
