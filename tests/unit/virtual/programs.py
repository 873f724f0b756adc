"""Builds small C programs for the virtual board, with registers.h from the register table."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

from hilbench.backends.virtual import registers

SOURCES = Path(__file__).parents[2] / "emulated" / "virtual_firmware"
COMPILER = "arm-none-eabi-gcc"
FLAGS = [
    "-mcpu=cortex-m7",
    "-mthumb",
    "-mfpu=fpv5-sp-d16",
    "-mfloat-abi=hard",
    "-O2",
    "-std=c11",
    "-ffreestanding",
    "-fno-builtin",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-nostartfiles",
    "-Wl,--build-id=none",
]


def registers_header() -> str:
    """``#define RCC_CR …`` and ``RCC_CR_HSEON`` for every register and bit of the table."""
    lines = ["#include <stdint.h>"]
    for row in registers.load().by_address.values():
        lines.append(f"#define {row.label} (*(volatile uint32_t *){row.address:#010x}u)")
        lines += [f"#define {row.label}_{name} {f.mask:#x}u" for name, f in row.bits.items()]
    return "\n".join(lines) + "\n"


def build(source: str | Path, folder: Path, name: str = "program") -> Path:
    """Compile C text, or a file of ``virtual_firmware``, to an ELF in ``folder``."""
    (folder / "registers.h").write_text(registers_header())
    if isinstance(source, str):
        path = folder / f"{name}.c"
        path.write_text(source)
    else:
        path = source
    elf = folder / f"{name}.elf"
    command = [COMPILER, *FLAGS, f"-I{folder}", f"-I{SOURCES}", f"-Wl,-T,{SOURCES / 'board.ld'}",
               "-o", str(elf), str(path), str(SOURCES / "startup.c"), "-lgcc"]  # fmt: skip
    subprocess.run(command, check=True)
    return elf


def segments(elf: Path) -> list[tuple[int, bytes]]:
    """What an ELF puts into flash: (physical address, bytes)."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return [
            (part["p_paddr"], part.data())
            for part in ELFFile(file).iter_segments()
            if part["p_type"] == "PT_LOAD" and part["p_filesz"]
        ]


@lru_cache(maxsize=64)
def symbols(elf: Path) -> dict[str, int]:
    """All symbols of an ELF."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}


def symbol(elf: Path, name: str) -> int:
    """Value of a symbol."""
    return symbols(elf)[name]
