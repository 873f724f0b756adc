"""A board that runs inferences and tells plain and weighted instructions of every window.

On the virtual board the log of counter reads tells both; on QEMU the plugin of tools/tcg_plugin,
compiled when it is needed, counts beside the board's timer, and the two must agree to the
instruction.  Without a C compiler there are no weighted counts.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hilbench
from hilbench.backends.base import Backend
from hilbench.backends.qemu import QemuBackend
from hilbench.backends.virtual.backend import VirtualBackend
from hilbench.bench.plan import Plan
from hilbench.bench.trials import check_layers
from hilbench.bench.weighted import join, reads_wanted
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.device.client import LinkMode
from hilbench.device.stream import unpack_result
from hilbench.schema import protocol as p

ROOT = Path(__file__).resolve().parents[1]
#: Of one inference, when a window was disturbed.
ATTEMPTS = 3
PLUGIN = ROOT / "tools" / "tcg_plugin" / "window_counts.c"
HEADER = Path(hilbench.__file__).parent / "backends" / "virtual" / "transfers.h"
#: What opens and closes a window: of the Cortex-M ports, and of the RISC-V one.
MARKERS = (("hb_counter_start", "hb_counter_stop"), ("counter_start", "counter_stop"))


class CountError(Exception):
    """Two ways of counting disagree, or an output is wrong."""


class Disturbed(CountError):
    """Something else than the inference was counted, too."""


@dataclass(frozen=True)
class Count:
    """Instructions of one window, the empty window's subtracted; None = not counted.

    Attributes
    ----------
    vector : int or None
        With MVE: only vector multi-register transfers weighted, all else counted plainly.
    interpreter : int or None
        Plain, in the engine's functions that are not kernels.
    """

    plain: int
    weighted: int | None = None
    vector: int | None = None
    interpreter: int | None = None


def compile_plugin(folder: Path) -> Path | None:
    """The plugin as a shared library in ``folder``; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    digest = hashlib.sha256(PLUGIN.read_bytes() + HEADER.read_bytes()).hexdigest()[:16]
    library = folder / f"window-counts-{digest}.so"
    if not library.exists():
        warnings = ["-Wall", "-Wextra", "-Werror"]
        command = [compiler, "-O2", *warnings, "-fPIC", "-shared", f"-I{HEADER.parent}"]
        subprocess.run([*command, "-o", str(library), str(PLUGIN)], check=True, timeout=60)
    return library


class CountingQemu(QemuBackend):
    """QEMU with the plugin, where it could be compiled."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan.board, plan.spec)
        self._plan, self._windows = plan, folder / "windows.txt"
        self.plugin = compile_plugin(folder)

    def _command(self, image: int, descriptor: int) -> list[str]:
        command = super()._command(image, descriptor)
        if self.plugin is None:
            return command
        start, stop = _markers(self._plan.firmware.elf)
        thumb = "off" if self._plan.board.core.startswith("rv32") else "on"
        mve = "on" if "mve" in self._plan.board.isa else "off"
        first, end = _interpreter(self._plan.firmware.elf)
        arguments = (
            f"start={start:#x},stop={stop:#x},out={_escaped(self._windows)},thumb={thumb},mve={mve}"
            f",from={first:#x},below={end:#x}"
        )
        return [*command, "-plugin", f"{_escaped(self.plugin)},{arguments}"]

    def windows(self, last: int) -> list[tuple[int, ...]]:
        """Plain, weighted, vector and interpreter's counts of the last windows, oldest first, not
        subtracted."""
        lines = self._windows.read_text().splitlines() if self.plugin is not None else []
        return [tuple(int(count) for count in line.split()) for line in lines[-last:]]


def _escaped(path: Path) -> str:
    """A path in an option of QEMU's."""
    return str(path).replace(",", ",,")


def _markers(elf: Path) -> tuple[int, int]:
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        for names in MARKERS:
            found = [table.get_symbol_by_name(name) for name in names]
            if all(found):
                start, stop = (symbols[0]["st_value"] & ~1 for symbols in found)
                return start, stop
    raise CountError(f"{elf} has no {MARKERS[0][0]}")


def _interpreter(elf: Path) -> tuple[int, int]:
    """The engine's code before its first kernel: the linker lays files in their order."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        content = ELFFile(file)
        start = content.get_section_by_name(".engine")["sh_addr"]
        kernels = [
            symbol["st_value"] & ~1
            for symbol in content.get_section_by_name(".symtab").iter_symbols()
            if re.fullmatch(r"hb_(?!validate_|run_)\w+_(ref|dsp|mve|thumb1)", symbol.name)
        ]
    return start, min(kernels)


@dataclass
class CountedBoard:
    """A started board with a plan's model."""

    plan: Plan
    device: Device
    backend: Backend

    def inference(self) -> Count:
        """Count the inference of the plan's first vector; its output must be right.

        On a busy computer a late frame may interrupt a window, which then is no count of the
        inference; it is counted again, and the last attempt's error stands.
        """
        for _ in range(ATTEMPTS - 1):
            with suppress(Disturbed):
                return self._inference()
        return self._inference()

    def _inference(self) -> Count:
        vector = self.plan.vectors[:1]
        request = RunRequest(p.RunMode.TIMED, vector.tobytes(), vector.shape[1], 1, 0, 1)
        overhead, interrupts, ticks = 0, 0, []
        for record in run_stream(self.device, request, StreamStatistics(), 120.0):
            if record.kind is p.RecordKind.OVERHEAD:
                overhead = p.Overhead.unpack(record.body).ticks
            elif record.kind is p.RecordKind.RESULT:
                result, output = unpack_result(record.body)
                ticks.append(result.ticks)
                interrupts += result.interrupts
                if output != self.plan.expected[0].tobytes():
                    raise CountError("the output differs from the host's reference")
        if interrupts:
            raise Disturbed(f"the window had {interrupts} interrupts")
        return self._counts(overhead, ticks)[0]

    def layers(self) -> list[Count]:
        """Count every operator of that inference; each output must be right."""
        plan = replace(
            self.plan, workload=replace(self.plan.workload, vectors=self.plan.vectors[:1])
        )
        checked = check_layers(plan, self.device)
        if checked["mismatches"]:
            raise CountError(f"layers differ from the host's reference: {checked['mismatches']}")
        # a last window opens after the last operator, and is not reported
        return self._counts(checked["overhead"], checked["ticks"], unreported=1)

    def _counts(self, overhead: int, ticks: list[int], unreported: int = 0) -> list[Count]:
        """Counts from ticks, and from the emulator's own log, whose windows must be the same."""
        empty = self._instructions(overhead)
        plain = [self._instructions(value) - empty for value in ticks]
        if isinstance(self.backend, CountingQemu):
            windows = self.backend.windows(1 + len(ticks) + unreported)
            if not windows:
                return [Count(count) for count in plain]
            first, *rest = windows
            seen, weighted, vector, inner = (
                [window[i] - first[i] for window in rest[: len(ticks)]] for i in range(4)
            )
            if seen != plain:
                raise Disturbed(f"the timer counts {plain}, the plugin {seen}")
            only_mve = vector if "mve" in self.plan.board.isa else [None] * len(plain)
            each = zip(plain, weighted, only_mve, inner, strict=True)
            return [Count(*counts) for counts in each]
        reads = self.backend.counter_reads(reads_wanted(len(ticks) + unreported))
        reads = reads[: len(reads) - 2 * unreported]
        empty_weighted, raw = join(reads, overhead, ticks)
        weighted = [value - empty_weighted for value in raw]
        return [Count(*each) for each in zip(plain, weighted, strict=True)]

    def _instructions(self, ticks: float) -> int:
        numerator, denominator = self.plan.spec.ticks_to_instructions or (1, 1)
        return math.ceil(ticks * numerator / denominator)


@contextmanager
def counted_board(plan: Plan) -> Iterator[CountedBoard]:
    """Start the plan's board with its model; ended at exit."""
    with tempfile.TemporaryDirectory(prefix="hilbench-counts-") as folder:
        backend: Any = (
            CountingQemu(plan, Path(folder))
            if plan.spec.name == "qemu"
            else VirtualBackend(plan.board, plan.spec)
        )
        try:
            backend.acquire()
            backend.prepare(plan.firmware, plan.image.data, lambda stage, fraction: None)
            device = backend.start()
            hello = device.attest()
            rx_mode = p.RxMode.DMA if hello.rx_modes & p.RxMode.DMA else hello.rx_mode
            wanted = LinkMode(min(plan.board.uart.max_baud, hello.max_baud), rx_mode)
            device.negotiate(wanted, LinkMode(hello.baud, hello.rx_mode))
            device.load_image()
            yield CountedBoard(plan, device, backend)
        finally:
            backend.close()
