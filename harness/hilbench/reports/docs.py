"""The generated pages of docs/: exit codes, metrics, boards, operators, protocol.

Run as ``python -m hilbench.reports.docs`` to write them; a test proves them fresh.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from hilbench.boards.catalogue import read_catalogue
from hilbench.errors import EXIT_CODES
from hilbench.models.lowering import OPERATORS
from hilbench.reports.terminal import UNTESTED
from hilbench.resources import CLONE, PACKAGE, data_path
from hilbench.units import REGISTRY


def generated_pages() -> dict[str, str]:
    """File name below docs/ -> its text."""
    pages = {
        "exit-codes.md": _exit_codes(),
        "metrics.md": _metrics(),
        "boards.md": _boards(),
        "operators.md": _operators(),
        "protocol.md": _protocol(),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in pages.items()}


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    rule = "|".join("---" for _ in header)
    return [f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


def _operators() -> list[str]:
    rows = [(f"`{name}`", ", ".join(known.dtypes)) for name, known in OPERATORS.items()]
    return [
        "# Operators",
        "",
        "Generated from `models/lowering.py`: the operators of TensorFlow Lite that the engine",
        "runs, and the types of their outputs. Anything else is refused before a board is touched.",
        "",
        *_table(("operator", "types"), rows),
    ]


def _exit_codes() -> list[str]:
    rows = [
        (str(code), name, meaning, junit) for code, (name, meaning, junit) in EXIT_CODES.items()
    ]
    return [
        "# Exit codes",
        "",
        "Generated from `errors.py`. When several things go wrong, the first cause decides.",
        "",
        *_table(("code", "name", "meaning", "JUnit"), rows),
    ]


def _metrics() -> list[str]:
    rows = [
        (f"`{key}`", spec.unit, ", ".join(spec.origins), spec.title, spec.better)
        for key, spec in REGISTRY.items()
    ]
    return [
        "# Metrics",
        "",
        "Generated from `units.py`. Each value carries one of its possible origins; a metric in",
        "seconds, hertz, watts or joules of the board is never `measured` or `emulated` from a",
        "backend whose ticks are instructions or whose time is not real.",
        "",
        *_table(("key", "unit", "origins", "title", "better"), rows),
    ]


def _boards() -> list[str]:
    boards = read_catalogue(data_path("boards.yaml")).values()
    rows = [
        (
            f"`{board.id}`",
            board.title,
            board.mcu,
            board.core,
            ", ".join(board.backends),
            ("tested" if board.silicon_tested else UNTESTED)
            if "silicon" in board.backends
            else "emulator only",
        )
        for board in boards
    ]
    return [
        "# Boards",
        "",
        "Generated from `boards.yaml`.",
        "",
        *_table(("id", "board", "MCU", "core", "backends", "silicon"), rows),
    ]


def _protocol() -> list[str]:
    source = (PACKAGE / "schema" / "protocol.toml").read_text(encoding="utf-8")
    schema = tomllib.loads(source)
    preamble = source.split("\n\nname =", 1)[0]
    lines = ["# The wire protocol", "", "Generated from `schema/protocol.toml`.", ""]
    lines += [line.removeprefix("# ").removeprefix("#") for line in preamble.splitlines()]
    lines += ["", "## Messages"]
    for message in schema["messages"]:
        lines += _layout(f"0x{message['id']:02X} {message['name']}", message)
    lines += ["", "## Records in the out stream"]
    for record in schema["records"]:
        lines += _layout(record["name"], record)
    lines += ["", "## Enumerations"]
    for name, enum in schema["enums"].items():
        lines += ["", f"### {name}", "", enum["doc"], ""]
        rows = [(str(v["value"]), f"`{v['name']}`", v["doc"]) for v in enum["values"]]
        lines += _table(("value", "name", "meaning"), rows)
    return lines


def _layout(title: str, entry: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"### {title}", "", entry["doc"])
    if entry["fields"]:
        yield ""
        rows = [(f"`{f['name']}`", f["type"], f.get("unit", ""), f["doc"]) for f in entry["fields"]]
        yield from _table(("field", "type", "unit", "meaning"), rows)


def main() -> int:
    """Write the pages."""
    for name, text in generated_pages().items():
        (CLONE / "docs" / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
