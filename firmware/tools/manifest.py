"""Write and check the manifests of the prebuilt firmware.

``write`` copies an ELF to its place and says beside it what it is made of.  ``check`` rebuilds
every ELF elsewhere and compares it byte by byte; where the compiler is another than the manifest's,
bytes are not comparable, and the digest of sources and flags decides.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

FIRMWARE = Path(__file__).resolve().parent.parent
MANIFEST = "manifest.json"
HEADERS = {"protocol": "agent/hb_protocol.h", "image": "engine/hb_image.h"}


def schema(name: str) -> dict[str, int]:
    """Version and hash of a schema, from its generated header."""
    text = (FIRMWARE / HEADERS[name]).read_text(encoding="utf-8")
    version = re.search(r"_VERSION (\d+)u", text)
    digest = re.search(r"_SCHEMA_HASH (0x[0-9A-F]+)u", text)
    if version is None or digest is None:
        raise SystemExit(f"{HEADERS[name]}: no version or hash")
    return {"version": int(version[1]), "schema_hash": int(digest[1], 16)}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_elf(path: Path) -> dict[str, Any]:
    """Section sizes and the memory that the build reserves, all in bytes."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        sections = {
            section.name: section["sh_size"]
            for section in elf.iter_sections()
            if section["sh_flags"] & 0x2 and section["sh_size"]  # SHF_ALLOC
        }
        symbols = {
            symbol.name: symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols()
        }
        stack = symbols["hb_stack_top"]["st_value"] - symbols["hb_stack_bottom"]["st_value"]
        arena = symbols["arena"]["st_size"]
        vectors = symbols["vectors"]["st_size"]
    return {
        "sections": sections,
        "engine_flash_bytes": sections[".engine"] + sections[".engine.rodata"],
        "stack_capacity_bytes": stack,
        "arena_capacity_bytes": arena,
        "vector_buffer_bytes": vectors,
    }


def largest_frame(build: Path) -> dict[str, Any]:
    """The function with the largest stack frame, bytes (the compiler's -fstack-usage)."""
    frames = []
    for path in sorted(build.rglob("*.su")):
        for line in path.read_text(encoding="utf-8").splitlines():
            place, size, _ = line.rsplit("\t", 2)
            frames.append((int(size), place.rsplit(":", 1)[-1]))
    size, name = max(frames)
    return {"bytes": size, "function": name}


def write(options: argparse.Namespace) -> None:
    """Install one ELF with its manifest."""
    build, out = Path(options.build), Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    elf = out / "firmware.elf"
    shutil.copyfile(build / "firmware.elf", elf)
    manifest = {
        "schema": 1,
        "board": options.board,
        "elf_sha256": sha256(elf),
        "firmware_digest": (build / "digest.txt").read_text().strip()[:32],
        "source_digest": (build / "source.txt").read_text().strip(),
        "compiler": options.compiler,
        "flags": options.flags.split(),
        "kernel_level": options.kernel_level,
        "level": options.level,
        "protocol": schema("protocol"),
        "image": schema("image"),
        **read_elf(elf),
        "largest_frame": largest_frame(build),
    }
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (out / MANIFEST).write_text(text, encoding="utf-8")


def check_board(make: str, board: str) -> str:
    """``same``, ``not comparable, sources same``, or how they differ."""
    committed = FIRMWARE / "prebuilt" / board
    old = json.loads((committed / MANIFEST).read_text(encoding="utf-8"))
    if sha256(committed / "firmware.elf") != old["elf_sha256"]:
        return "DIFFERS: the committed ELF is not its manifest's"
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [
            make,
            "-s",
            "-C",
            str(FIRMWARE),
            f"BUILD={scratch}/build",
            f"PREBUILT={scratch}/out",
        ]
        subprocess.run([*arguments, f"PYTHON={sys.executable}", board], check=True)
        rebuilt = Path(scratch) / "out" / board
        new = json.loads((rebuilt / MANIFEST).read_text(encoding="utf-8"))
        if new["compiler"] != old["compiler"]:
            if new["source_digest"] == old["source_digest"]:
                return f"not comparable (built with {old['compiler']}), sources same"
            return "DIFFERS: other sources or flags"
        same = (rebuilt / "firmware.elf").read_bytes() == (committed / "firmware.elf").read_bytes()
    return "same" if same else "DIFFERS: same compiler, other bytes"


def check(options: argparse.Namespace) -> int:
    outcomes = {board: check_board(options.make, board) for board in options.boards}
    for board, outcome in outcomes.items():
        sys.stdout.write(f"{board}: {outcome}\n")
    return int(any(outcome.startswith("DIFFERS") for outcome in outcomes.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(required=True)
    writer = verbs.add_parser("write")
    for name in ("board", "build", "out", "compiler", "flags", "kernel-level", "level"):
        writer.add_argument(f"--{name}", required=True)
    writer.set_defaults(run=write)
    checker = verbs.add_parser("check")
    checker.add_argument("--make", default="make")
    checker.add_argument("--boards", nargs="+", required=True)
    checker.set_defaults(run=check)
    options = parser.parse_args()
    return options.run(options) or 0


if __name__ == "__main__":
    raise SystemExit(main())
