"""boards.yaml -> Board, validated field by field."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from hilbench.boards.acceptance import accepted_boards
from hilbench.boards.model import BackendSpec, Board, Counter, ImageSlot, ProbeSpec, Uart
from hilbench.boards.yaml_reader import Mapping, read_mapping
from hilbench.errors import ConfigError, UsageError
from hilbench.records import Facts
from hilbench.resources import data_path

#: Further catalogues, separated by ``os.pathsep``; a board there replaces one of the same id.
EXTRA_CATALOGUES = "HILBENCH_BOARDS"
VERSION = 1
NS_PER_S = 1_000_000_000
COUNTERS = ("none", "dwt_cyccnt", "timer", "minstret")
CLOCK_FLAGS = ("icache", "dcache", "prefetch", "art", "overdrive")


def load_catalogue(extra: Path | None = None) -> dict[str, Board]:
    """All boards by id: the shipped catalogue, then ``$HILBENCH_BOARDS``, then ``extra``.

    Raises
    ------
    ConfigError
        With file, line and field of the first mistake.
    """
    paths = [data_path("boards.yaml")]
    paths += [Path(p) for p in os.environ.get(EXTRA_CATALOGUES, "").split(os.pathsep) if p]
    paths += [extra] if extra else []
    boards: dict[str, Board] = {}
    for path in paths:
        boards |= read_catalogue(path)
    accepted = accepted_boards()
    return {
        name: replace(board, silicon_tested=True) if name in accepted else board
        for name, board in boards.items()
    }


def read_catalogue(path: Path) -> dict[str, Board]:
    """The boards of one file."""
    top = read_mapping(path)
    version = top.take("version", int)
    if version != VERSION:
        raise ConfigError(f"{path}: catalogue version {version}, this hilbench reads {VERSION}")
    boards = top.take_mapping("boards")
    top.done()
    return {name: _board(name, boards.take_mapping(name)) for name in boards.names()}


def find_board(boards: dict[str, Board], name: str) -> Board:
    """The board of that id; raises UsageError that lists what there is."""
    if name not in boards:
        raise UsageError(
            f"no board {name!r} in the catalogue",
            hint=f"known boards: {', '.join(sorted(boards))}",
        )
    return boards[name]


def _board(name: str, entry: Mapping) -> Board:
    counter = entry.take_mapping("counter")
    slot = entry.take_mapping("image_slot")
    uart = entry.take_mapping("uart")
    backends = entry.take_mapping("backends")
    flags = entry.take_list("clock_flags", str)
    for flag in flags:
        if flag not in CLOCK_FLAGS:
            raise entry.error(f"clock_flags: unknown {flag!r}")
    board = Board(
        id=name,
        title=entry.take("title", str),
        mcu=entry.take("mcu", str),
        core=entry.take("core", str),
        isa=entry.take_list("isa", str),
        silicon_tested=entry.take("silicon_tested", bool),
        clock_hz=entry.take("clock_hz", int, minimum=0),
        clock_flags=flags,
        wait_states=entry.take("wait_states", int, minimum=0),
        counter=Counter(
            counter.take("kind", str, choices=COUNTERS), counter.take("hz", int, minimum=0)
        ),
        image_slot=ImageSlot(
            slot.take("address", int, minimum=0), slot.take("bytes", int, minimum=0)
        ),
        uart=Uart(uart.take("baud", int, minimum=1200), uart.take("max_baud", int, minimum=1200)),
        probe=_probe(entry.take_optional_mapping("probe")),
        backends={kind: _backend(kind, backends.take_mapping(kind)) for kind in backends.names()},
        firmware=_firmware_folder(entry.path, entry.take("firmware", str, default=name)),
    )
    for part in (counter, slot, uart, entry):
        part.done()
    for spec in board.backends.values():
        _check_ratio(entry, board.counter, spec)
    if not board.backends:
        raise backends.error("at least one backend is needed")
    if board.probe is None and {"silicon", "virtual"} & set(board.backends):
        raise entry.error("backends silicon and virtual need a probe")
    return board


def _check_ratio(entry: Mapping, counter: Counter, spec: BackendSpec) -> None:
    """QEMU's instruction lasts 2**shift ns: with the timer's rate, that fixes the ratio."""
    ratio = spec.ticks_to_instructions
    if not ratio or not spec.system or counter.kind != "timer":
        return
    if ratio[0] * counter.hz << spec.icount_shift != ratio[1] * NS_PER_S:
        raise entry.error(
            f"ticks_to_instructions {list(ratio)} contradicts counter.hz {counter.hz} and "
            f"icount_shift {spec.icount_shift}"
        )


def _firmware_folder(catalogue: Path, firmware: str) -> Path:
    """A name is a prebuilt firmware's; a path is a folder, relative to the catalogue."""
    if "/" in firmware:
        return (catalogue.parent / firmware).resolve()
    return data_path("prebuilt") / firmware


def _probe(entry: Mapping | None) -> ProbeSpec | None:
    if entry is None:
        return None
    chip, unique = entry.take_mapping("chip_id"), entry.take_mapping("unique_id")
    pack = entry.take("pack", str, default="")
    probe = ProbeSpec(
        kind=entry.take("kind", str, choices=("stlink",)),
        usb=tuple(pair.lower() for pair in entry.take_list("usb", str)),
        board_id=entry.take("board_id", str),
        target=entry.take("target", str),
        frequency_hz=entry.take("frequency_hz", int, minimum=1000),
        chip_id_address=chip.take("address", int),
        chip_id_mask=chip.take("mask", int),
        chip_id_value=chip.take("value", int),
        unique_id_address=unique.take("address", int),
        unique_id_bytes=unique.take("bytes", int, minimum=1),
        pack=str((entry.path.parent / pack).resolve()) if pack else None,
    )
    for part in (chip, unique, entry):
        part.done()
    return probe


def _backend(kind: str, entry: Mapping) -> BackendSpec:
    if kind not in ("silicon", "virtual", "qemu", "host"):
        raise entry.error(f"unknown backend {kind!r}")
    facts = Facts(
        ticks=entry.take("ticks", str, choices=("cycles", "instructions")),
        time_base=entry.take("time_base", str, choices=("real", "none")),
        silicon=kind == "silicon",
    )
    if facts.silicon and facts != Facts("cycles", "real", True):
        raise entry.error("silicon counts cycles in real time")
    ratio = entry.take_list("ticks_to_instructions", int, length=2, optional=True)
    if (facts.ticks == "instructions") != bool(ratio):
        raise entry.error("ticks_to_instructions goes with ticks: instructions, and only with it")
    if ratio and min(ratio) < 1:
        raise entry.error("ticks_to_instructions must be positive")
    qemu = kind == "qemu"
    spec = BackendSpec(
        name=kind,
        facts=facts,
        ticks_to_instructions=(ratio[0], ratio[1]) if ratio else None,
        system=entry.take("system", str) if qemu else "",
        package=entry.take("package", str) if qemu else "",
        machine=entry.take("machine", str) if qemu else "",
        icount_shift=entry.take("icount_shift", int, minimum=0) if qemu else 0,
    )
    entry.done()
    return spec
