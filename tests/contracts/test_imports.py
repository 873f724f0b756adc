"""Imports go downward (the ranks of the design), and the firmware's includes inward."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harness" / "hilbench"

RANKS = {
    "errors": 0,
    "units": 0,
    "resources": 0,
    "schema": 1,
    "records": 1,
    "stats": 1,
    "quantization": 1,
    "boards": 2,
    "link": 2,
    "models": 2,
    "store": 2,
    "device": 3,
    "workloads": 3,
    "schemes": 3,
    "analysis": 3,
    "reports": 3,
    "backends": 4,
    "instruments": 4,
    "bench": 5,
    "cli": 6,
}
#: Edges between rooms of the same rank; they form no cycle.
SAME_RANK = {("analysis", "workloads"), ("reports", "workloads"), ("schemes", "workloads")}
EVERYWHERE = {"__init__", "__main__"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    """Rooms that a file imports, deferred and type-checking imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "hilbench" and len(parts) > 1:
                yield parts[1]


def test_imports_go_downward() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        here = room(path)
        if here in EVERYWHERE:
            continue
        assert here in RANKS, f"{path}: room {here} has no rank"
        for there in imported_rooms(path):
            if there == here or there not in RANKS:
                continue
            if RANKS[there] > RANKS[here] or (
                RANKS[there] == RANKS[here] and RANKS[here] > 0 and (here, there) not in SAME_RANK
            ):
                wrong.append(f"{path.relative_to(ROOT)}: {here} -> {there}")
    assert wrong == []


def test_only_the_console_prints() -> None:
    """And the simulated board, a process of its own, whose output is its log."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if room(path) == "cli" or PACKAGE / "backends" / "virtual" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_unicorn_only_in_the_boards_process() -> None:
    """The GPL library is imported by the simulated board's own process and nowhere else."""
    importers = {
        path.relative_to(PACKAGE).parts[:2]
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(from|import) unicorn", path.read_text(), re.MULTILINE)
    }
    assert importers <= {("backends", "virtual")}


def test_no_source_file_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for folder, pattern in ((PACKAGE, "*.py"), (ROOT / "firmware", "*.[ch]"))
        for path in folder.rglob(pattern)
        if "build" not in path.parts
        and path.name not in ("protocol.py", "image.py", "hb_protocol.h", "hb_image.h")
        and (count := len(path.read_text().splitlines())) > 500
    }
    assert long == {}


# ---------------------------------------------------------------- firmware

#: Folder of the firmware -> folders whose headers it may include, its own aside.
INCLUDES = {
    "engine": {"engine"},
    "agent": {"engine"},
    "ports": {"agent", "engine"},
}
STANDARD = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h", "float.h"}
#: Compiler's headers of intrinsics, and the folder of kernels that may use them.
INTRINSICS = {"arm_mve.h": "mve"}


def firmware_sources() -> list[Path]:
    return [
        path for folder in INCLUDES for path in sorted((ROOT / "firmware" / folder).rglob("*.[ch]"))
    ]


@pytest.mark.skipif(not (ROOT / "firmware").exists(), reason="firmware sources are not there")
def test_includes_go_inward() -> None:
    headers = {path.name: path for path in firmware_sources() if path.suffix == ".h"}
    wrong = []
    for path in firmware_sources():
        folder = path.relative_to(ROOT / "firmware").parts[0]
        for name in re.findall(r'#include ["<]([^">]+)[">]', path.read_text()):
            if name in STANDARD:
                continue
            header = headers.get(Path(name).name)
            if header is None:
                allowed = path.parent.name == INTRINSICS.get(name, "")
                if folder == "engine" and not allowed:
                    wrong.append(f"{path.name}: engine includes {name}")
                continue
            target = header.relative_to(ROOT / "firmware").parts[0]
            if target != folder and target not in INCLUDES[folder]:
                wrong.append(f"{path.name}: {folder} -> {target}")
    assert wrong == []
