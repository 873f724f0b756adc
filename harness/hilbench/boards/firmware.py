"""The prebuilt firmware of a board: its ELF, its manifest, its symbols."""

from __future__ import annotations

import bisect
import hashlib
import json
import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hilbench.boards.min_flash import engine_min_flash
from hilbench.errors import ConfigError, FlashError, TargetIdentityError
from hilbench.schema import image, protocol

META_SECTION = ".hilbench.meta"
META = struct.Struct("<8sHHI24s16s")
META_MAGIC = b"HBMETA1\0"


@dataclass(frozen=True)
class Segment:
    """Bytes that belong at an address."""

    address: int
    data: bytes


@dataclass(frozen=True)
class Firmware:
    """One ELF and what is known of it.

    Attributes
    ----------
    elf : Path
    board : str
        Board id, from the ELF itself.
    digest : bytes
        16 bytes, from the ELF itself: what HELLO must say.
    manifest : dict
        ``manifest.json`` beside the ELF; empty for a user's own ELF.
    """

    elf: Path
    board: str
    digest: bytes
    manifest: dict[str, Any]

    @property
    def engine_flash_bytes(self) -> int | None:
        """Code and constants of engine and kernels in the ELF; None when not recorded."""
        value = self.manifest.get("engine_flash_bytes")
        return int(value) if value is not None else None

    def min_flash(self, kernels: Collection[str]) -> int | None:
        """Flash of an engine with these kernels alone; None for an ELF without relocations."""
        try:
            return engine_min_flash(self.elf, kernels)
        except ConfigError:
            return None

    def limit(self, name: str) -> int:
        """A capacity that the manifest states, bytes; raises ConfigError when it does not."""
        try:
            return int(self.manifest[name])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the manifest of {self.elf} does not state {name}", hint="run `make firmware`"
            ) from error

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.elf.read_bytes()).hexdigest()

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """What goes to flash: the loadable segments at their physical addresses."""
        from elftools.elf.elffile import ELFFile

        with self.elf.open("rb") as file:
            loads = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD"]
            return tuple(Segment(s["p_paddr"], s.data()) for s in loads if s["p_filesz"])

    @cached_property
    def _functions(self) -> list[tuple[int, int, str]]:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection

        with self.elf.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
            found = [
                (s["st_value"] & ~1, s["st_size"], s.name)
                for s in symbols
                if s["st_info"]["type"] == "STT_FUNC"
            ]
        return sorted(found)

    def symbol(self, address: int) -> str:
        """``function+0x12`` for an address inside a function of the ELF, else an empty text."""
        position = bisect.bisect_right(self._functions, (address, 1 << 32, "")) - 1
        if position < 0:
            return ""
        start, size, name = self._functions[position]
        return f"{name}+0x{address - start:X}" if address < start + max(size, 1) else ""


def check_board(firmware: Firmware, board: str) -> None:
    """Raise TargetIdentityError when the firmware is another board's."""
    if firmware.board != board:
        raise TargetIdentityError(
            f"{firmware.elf} is the firmware of {firmware.board}, not of {board}",
            hint="nothing was flashed",
        )


def load_firmware(folder: Path) -> Firmware:
    """The firmware in a folder: ``firmware.elf`` and ``manifest.json``.

    Raises
    ------
    ConfigError
        When there is none, or the ELF differs from its manifest.
    FlashError
        When the ELF is of another protocol than this hilbench.
    """
    elf, manifest_path = folder / "firmware.elf", folder / "manifest.json"
    if not elf.exists():
        raise ConfigError(
            f"no prebuilt firmware: {elf} is missing",
            hint="build it with `make firmware`, which needs the cross compiler",
        )
    manifest: dict[str, Any] = {}
    if manifest_path.exists():
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        stated = manifest.get("elf_sha256")
        if stated and stated != hashlib.sha256(elf.read_bytes()).hexdigest():
            raise ConfigError(f"{elf} differs from its manifest", hint="restore or rebuild it")
    return read_elf(elf, manifest)


def read_elf(elf: Path, manifest: dict[str, Any] | None = None) -> Firmware:
    """Read the attestation section of an ELF and check that this hilbench can speak to it."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with elf.open("rb") as file:
            section = ELFFile(file).get_section_by_name(META_SECTION)
            data = section.data() if section is not None else b""
    except (ELFError, OSError) as error:
        raise ConfigError(f"{elf} is no readable ELF file: {error}") from error
    if len(data) < META.size or not data.startswith(META_MAGIC):
        raise FlashError(
            f"{elf} is not a hilbench firmware: it has no {META_SECTION}",
            hint="nothing was flashed",
        )
    _, version, image_version, schema_hash, board, digest = META.unpack_from(data)
    if (version, schema_hash) != (protocol.VERSION, protocol.SCHEMA_HASH):
        raise FlashError(
            f"{elf} speaks protocol {version} (schema 0x{schema_hash:08X}), this hilbench speaks "
            f"{protocol.VERSION} (0x{protocol.SCHEMA_HASH:08X})",
            hint="nothing was flashed; use the firmware that came with this hilbench",
        )
    if image_version != image.VERSION:
        raise FlashError(f"{elf} reads image format {image_version}, not {image.VERSION}")
    name = board.split(b"\0")[0].decode("ascii", "replace")
    return Firmware(elf, name, digest, manifest or {})
