"""Mutants that are kept, compressed in one file: those that first reached a branch of the engine,
and one of each kind for each instruction set and storage form, accepted and refused.

``python -m tests.firmware.fuzz --keep`` writes the file anew; wanted when layouts of packed kernels
change, since streams of another layout are only refused.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path

from tests.firmware.fuzz.campaign import Case

PATH = Path(__file__).with_name("mutants.xz")


def write(cases: Iterable[Case], path: Path = PATH) -> None:
    """One block per case: sizes of label, image and vector as u32, then the three."""
    content = b""
    for case in cases:
        label = f"{case.name}: {', '.join(case.kinds)}".encode()
        parts = (label, case.image, case.vector)
        content += b"".join(len(part).to_bytes(4, "little") for part in parts) + b"".join(parts)
    path.write_bytes(lzma.compress(content, preset=9))


def read(path: Path = PATH) -> list[Case]:
    """The cases that were written."""
    content = lzma.decompress(path.read_bytes())
    cases, at = [], 0
    while at < len(content):
        sizes = [int.from_bytes(content[at + i : at + i + 4], "little") for i in (0, 4, 8)]
        at += 12
        parts = []
        for size in sizes:
            parts.append(content[at : at + size])
            at += size
        name, _, kinds = parts[0].decode().partition(": ")
        cases.append(Case(name, parts[1], parts[2], tuple(kinds.split(", "))))
    return cases
