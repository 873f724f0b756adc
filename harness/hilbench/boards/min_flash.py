"""The flash that an engine needs for some kernels alone, read from the relocations of a full build.

Every function and constant that the engine's entry points reach is added up, libgcc's included,
but for what only other kernels need: those kernels, and the functions that choose or check them.
A real build of the same kernels (`make firmware OPS=...`) also drops the calls to what is left out.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilbench.errors import ConfigError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

#: What the agent calls (firmware/engine/hb_engine.h).
ROOTS = (
    "hb_engine_init",
    "hb_engine_reset",
    "hb_engine_invoke",
    "hb_engine_input",
    "hb_engine_output",
    "hb_engine_op_output",
)
#: A kernel's function; rows, elementwise and movement are families with entries of their own.
_KERNEL = re.compile(
    r"hb_((?:conv_2d|depthwise_conv_2d|fully_connected|average_pool_2d|max_pool_2d"
    r"|softmax|add|reshape)\w*_(?:ref|dsp|mve|thumb1))"
)
#: (source file or "", function): kept when a kernel's name matches.
_PARTS = {
    ("", r"hb_(run|validate)_by_rows"): "rows",
    ("", r"hb_(run|validate)_elementwise|hb_run_binary"): "elementwise",
    ("", r"hb_(run|validate)_movement"): "movement",
    ("", r"hb_validate_winograd_dsp"): "conv_2d_s8xs8_winograd_dsp",
    ("", r"hb_(run|validate)_transpose_conv"): "transpose_conv",
    ("", r"hb_(run|validate)_recurrent"): "recurrent",
    ("", r"hb_check_sum"): "elementwise|add_.*_ref",
    ("", r"hb_check_pool"): ".*_pool_2d_.*",
    ("hb_dispatch.c", r"conv_(dsp|thumb1|mve|ref)"): r"(depthwise_)?conv_2d_.*_\1",
    ("hb_dispatch.c", r"fully_connected_(dsp|mve|ref)"): r"(fully_connected|conv_2d)_.*_\1",
    ("hb_dispatch.c", r"pool_ref"): ".*_pool_2d_.*_ref",
    ("hb_dispatch.c", r"run_conv"): ".*conv_2d_.*|rows",
    ("hb_dispatch.c", r"run_fully_connected"): "fully_connected_.*|conv_2d_s.*|rows",
    ("hb_dispatch.c", r"run_pool"): ".*_pool_2d_.*",
    ("hb_dispatch.c", r"run_softmax"): "softmax_.*",
    ("hb_dispatch.c", r"run_add"): "add_.*",
    ("hb_validate_op.c", r"check_conv"): "(depthwise_)?conv_2d_.*_ref",
    ("hb_validate_op.c", r"check_fully_connected"): "fully_connected_.*_ref",
    ("hb_validate_op.c", r"check_softmax"): "softmax_.*",
    ("hb_validate_op.c", r"check_softmax_s16"): "softmax_s16_ref",
    ("hb_validate_(dsp|mve|thumb1).c", r"hb_validate_(dsp|mve|thumb1)"): r".*_\1",
    ("hb_validate_(dsp|mve|thumb1).c", r"check_conv"): r"(depthwise_)?conv_2d_.*_\1",
    (
        "hb_validate_(dsp|mve|thumb1).c",
        r"check_fully_connected",
    ): r"(fully_connected|conv_2d)_.*_\1",
    ("hb_validate_(dsp|mve|thumb1).c", r"check_pool"): r".*_pool_2d_.*_\1",
    ("hb_validate_(dsp|mve|thumb1).c", r"check_add"): r"add_.*_\1",
    ("hb_validate_(dsp|mve|thumb1).c", r"check_s16"): r".*_s16xs8_\1",
    ("hb_validate_(dsp|mve|thumb1).c", r"(check_s4|is_p4_stream)"): r".*_s8xs4_\1",
}
#: Bytes of a call that a real build drops with what it calls: compare, branch, two arguments, call.
_CALL_BYTES = 14


@dataclass(frozen=True)
class _Item:
    """A function or a constant."""

    name: str
    file: str
    address: int
    size: int


def engine_min_flash(elf_path: Path, kernels: Collection[str]) -> int:
    """Bytes of flash of an engine with these kernels alone.

    Parameters
    ----------
    elf_path : Path
        A firmware linked with its relocations kept (``--emit-relocs``).
    kernels : collection of str
        Names as in ``engine/hb_ops.h``, from :func:`hilbench.models.kernel_names`.

    Raises
    ------
    ConfigError
        The ELF has no relocations, or lacks a kernel.
    """
    items, edges = _read(elf_path)
    by_name = {item.name: item for item in items}
    named = [name for name in kernels if _KERNEL.fullmatch(f"hb_{name}")]
    missing = [name for name in named if f"hb_{name}" not in by_name]
    if not edges or missing:
        reason = f"has no kernel {missing[0]}" if missing else "was linked without relocations"
        raise ConfigError(f"{elf_path} {reason}", hint="run `make firmware`")
    kept, dropped_calls = _reached(items, edges, lambda item: _is_needed(item, kernels))
    return sum(item.size for item in kept) - _CALL_BYTES * dropped_calls


def library_bytes(elf_path: Path) -> int:
    """Flash of what the engine of a firmware uses outside its own sections: libgcc's."""
    from elftools.elf.elffile import ELFFile

    items, edges = _read(elf_path)
    kept, _ = _reached(items, edges, lambda item: True)
    with elf_path.open("rb") as stream:
        elf = ELFFile(stream)
        sections: Any = [elf.get_section_by_name(n) for n in (".engine", ".engine.rodata")]
        spans = [range(s["sh_addr"], s["sh_addr"] + s["sh_size"]) for s in sections]
    return sum(i.size for i in kept if not any(i.address in span for span in spans))


def _read(elf_path: Path) -> tuple[list[_Item], dict[_Item, list[_Item]]]:
    status = elf_path.stat()
    return _read_once(elf_path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_once(
    elf_path: Path, changed_ns: int, size: int
) -> tuple[list[_Item], dict[_Item, list[_Item]]]:
    """Read again only when the file changed: a search for a mix asks for dozens of engines."""
    from elftools.elf.elffile import ELFFile

    with elf_path.open("rb") as stream:
        elf = ELFFile(stream)
        items = _items(elf)
        return items, _edges(elf, items)


def _reached(
    items: list[_Item], edges: dict[_Item, list[_Item]], is_needed: Callable[[_Item], bool]
) -> tuple[set[_Item], int]:
    """What the entry points need, and how many references are left out."""
    by_name = {item.name: item for item in items}
    kept: set[_Item] = set()
    waiting = [by_name[name] for name in ROOTS]
    dropped = 0
    while waiting:
        item = waiting.pop()
        if item in kept:
            continue
        kept.add(item)
        for target in edges.get(item, ()):
            if is_needed(target):
                waiting.append(target)
            else:
                dropped += 1
    return kept, dropped


def _is_needed(item: _Item, kernels: Collection[str]) -> bool:
    kernel = _KERNEL.fullmatch(item.name)
    if kernel is not None:
        return kernel[1] in kernels
    for (file, name), wanted in _PARTS.items():
        if not re.fullmatch(name, item.name):
            continue
        of_file = re.fullmatch(file, item.file) if file else None
        if file and of_file is None:
            continue
        groups = (of_file.groups() if of_file is not None else ()) or (
            re.fullmatch(name, item.name).groups()  # type: ignore[union-attr]
        )
        pattern = wanted.replace(r"\1", groups[0]) if r"\1" in wanted else wanted
        return any(re.fullmatch(pattern, kernel) for kernel in kernels)
    return True


def _items(elf: ELFFile) -> list[_Item]:
    """Functions and constants of the ELF, by address; of aliases the first.

    Sizes are rounded up to words, as the linker lays them; libgcc's assembly states none, and goes
    on to the next symbol.
    """
    file = ""
    found: dict[int, _Item] = {}
    symbols: Any = elf.get_section_by_name(".symtab")
    for symbol in symbols.iter_symbols():
        kind, bind = symbol["st_info"]["type"], symbol["st_info"]["bind"]
        if kind == "STT_FILE":
            file = symbol.name
        index = symbol["st_shndx"]
        if kind not in ("STT_FUNC", "STT_OBJECT") or not isinstance(index, int):
            continue
        if elf.get_section(index)["sh_flags"] & 1:  # SHF_WRITE: not in flash
            continue
        thumb = 1 if kind == "STT_FUNC" and elf["e_machine"] == "EM_ARM" else 0
        address = symbol["st_value"] & ~thumb
        name = symbol.name.split(".")[0]
        item = _Item(name, file if bind == "STB_LOCAL" else "", address, symbol["st_size"])
        found.setdefault(address, item)
    starts = sorted(found)
    ends = dict(zip(starts, [*starts[1:], starts[-1] if starts else 0], strict=True))
    return [
        replace(found[at], size=-(-(found[at].size or ends[at] - at) // 4) * 4) for at in starts
    ]


def _edges(elf: ELFFile, items: list[_Item]) -> dict[_Item, list[_Item]]:
    """What each item refers to, once for each reference."""
    starts = [item.address for item in items]

    def at(address: int) -> _Item | None:
        index = bisect.bisect_right(starts, address) - 1
        if index < 0 or address >= starts[index] + items[index].size:
            return None
        return items[index]

    edges: dict[_Item, list[_Item]] = {}
    symbols: Any = elf.get_section_by_name(".symtab")
    sections: Any = elf.iter_sections()
    for section in sections:
        if section["sh_type"] not in ("SHT_REL", "SHT_RELA"):
            continue
        target_section = elf.get_section(section["sh_info"])
        if not target_section["sh_flags"] & 2:  # SHF_ALLOC
            continue
        content = target_section.data()
        for relocation in section.iter_relocations():
            source = at(relocation["r_offset"])
            symbol = symbols.get_symbol(relocation["r_info_sym"])
            offset = relocation["r_offset"] - target_section["sh_addr"]
            target = at(_target(symbol, relocation, content, offset))
            if source is not None and target is not None and target != source:
                edges.setdefault(source, []).append(target)
    return edges


def _target(symbol: Any, relocation: Any, content: bytes, offset: int) -> int:
    """Address that a relocation refers to; of a section symbol it is in the linked word."""
    if relocation.is_RELA():
        return int(symbol["st_value"] + relocation["r_addend"])
    if symbol["st_info"]["type"] == "STT_SECTION":
        return int.from_bytes(content[offset : offset + 4], "little") & ~1
    return int(symbol["st_value"]) & ~1
