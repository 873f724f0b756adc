"""pyOCD targets that pyOCD itself lacks.

pyOCD 0.46 knows no STM32F746.  It is defined here as a target class with our own flash algorithm,
not as a CMSIS pack of our making: a class is checked by the type checker and the tests like the
rest, needs no archive that is written at build time and parsed at each start, and is not subject to
the pack's debug description, which pyOCD 0.46 wants in one particular form.  A vendor's pack can
still be named in boards.yaml (``probe.pack``); it brings its own target names.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

#: Name in boards.yaml (``probe.target``).
STM32F746 = "stm32f746zg"

PAGE_BYTES = 4096
_RAM = 0x2000_0000
_STACK_BYTES = 0x400

#: RM0385 3.7.6: FLASH_OPTCR, whose bits 15:8 are the readout protection level.
_FLASH_OPTCR = 0x4002_3C14
_RDP_LEVELS = {0xAA: 0, 0xCC: 2}


@lru_cache(maxsize=4)
def flash_algorithm(name: str) -> dict[str, Any]:
    """pyOCD's description of a flash algorithm, from its ELF.

    Parameters
    ----------
    name : str
        File name, without ``.elf``, in ``backends/flash_algorithms``.

    Returns
    -------
    dict
        As ``pyocd.flash.flash.Flash`` documents it: code, stack and two page buffers in DTCM.
    """
    from elftools.elf.elffile import ELFFile

    path = resources.files("hilbench.backends").joinpath(f"flash_algorithms/{name}.elf")
    with path.open("rb") as file:
        elf: Any = ELFFile(file)
        code = elf.get_section_by_name("PrgCode").data()
        table = elf.get_section_by_name(".symtab")
        symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
    # where the algorithm returns to: `bkpt 0`, then a branch to itself
    words = [0xE7FD_BE00]
    code += bytes(-len(code) % 4)
    words += [int.from_bytes(code[i : i + 4], "little") for i in range(0, len(code), 4)]
    stack_end = _RAM + 0x1000

    def entry(symbol: str) -> int:
        return int(_RAM + 4 + symbols[symbol]) | 1

    return {
        "load_address": _RAM,
        "instructions": words,
        "pc_init": entry("Init"),
        "pc_unInit": entry("UnInit"),
        "pc_program_page": entry("ProgramPage"),
        "pc_erase_sector": entry("EraseSector"),
        "pc_eraseAll": entry("EraseChip"),
        "static_base": _RAM + 0x800,
        "end_stack": stack_end,
        "begin_stack": stack_end + _STACK_BYTES,
        "page_size": PAGE_BYTES,
        "min_program_length": 4,
        "page_buffers": [_RAM + 0x2000, _RAM + 0x2000 + PAGE_BYTES],
        # pyOCD's own CRC code packs page numbers into too few bits for pages at 0x08000000
        "analyzer_supported": False,
        "analyzer_address": _RAM + 0x8000,
    }


def _stm32f746() -> type[Any]:
    from pyocd.core.memory_map import FlashRegion, MemoryMap, RamRegion
    from pyocd.coresight.coresight_target import CoreSightTarget

    algorithm = flash_algorithm("stm32f746")

    def flash(name: str, start: int, length: int, sector: int, boot: bool = False) -> Any:
        return FlashRegion(
            name=name,
            start=start,
            length=length,
            sector_size=sector,
            page_size=PAGE_BYTES,
            is_boot_memory=boot,
            algo=algorithm,
        )

    class Stm32F746(CoreSightTarget):  # type: ignore[misc]
        """STM32F746ZG: 1 MiB flash, 320 KiB SRAM, 16 KiB ITCM (RM0385 2.2.2, 3.3.2)."""

        VENDOR = "STMicroelectronics"

        def __init__(self, session: Any) -> None:
            super().__init__(
                session,
                MemoryMap(
                    flash("flash 32k", 0x0800_0000, 0x2_0000, 0x8000, boot=True),
                    flash("flash 128k", 0x0802_0000, 0x2_0000, 0x2_0000),
                    flash("flash 256k", 0x0804_0000, 0xC_0000, 0x4_0000),
                    RamRegion(name="itcm", start=0, length=0x4000, is_default=False),
                    RamRegion(name="dtcm", start=_RAM, length=0x1_0000, is_default=True),
                    RamRegion(name="sram1", start=0x2001_0000, length=0x3_C000, is_default=False),
                    RamRegion(name="sram2", start=0x2004_C000, length=0x4000, is_default=False),
                ),
            )

        def readout_protection(self) -> int:
            """Readout protection level 0, 1 or 2 (RM0385 3.6.1)."""
            return _RDP_LEVELS.get(self.read32(_FLASH_OPTCR) >> 8 & 0xFF, 1)

    return Stm32F746


def register_targets() -> None:
    """Add our targets to pyOCD's; doing so twice is fine."""
    from pyocd.target import TARGET
    from pyocd.target.builtin import BUILTIN_TARGETS

    if STM32F746 not in TARGET:
        TARGET[STM32F746] = BUILTIN_TARGETS[STM32F746] = _stm32f746()
