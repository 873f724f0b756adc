"""The virtual board: start one, plug it in, and from there on it is a board like any other."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

from hilbench.backends.base import Prepared, Progress
from hilbench.backends.silicon import SiliconBackend
from hilbench.backends.virtual.board import FAULTS_VARIABLE, BoardConfig, BoardHandle, start
from hilbench.backends.virtual.usb import plug, unplug
from hilbench.backends.virtual.wire import BoardGone
from hilbench.boards import BackendSpec, Board
from hilbench.boards.firmware import Firmware
from hilbench.errors import HilbenchError, UsageError


class VirtualBackend(SiliconBackend):
    """A simulated board, private to the run."""

    def __init__(self, board: Board, spec: BackendSpec) -> None:
        super().__init__(board, spec, None)
        self._handle: BoardHandle | None = None

    def acquire(self) -> str:
        self._handle = start(BoardConfig(faults=_faults()))
        plug(self._handle)
        self._wanted = self._handle.serial
        return f"virtual board, {super().acquire()}"

    def prepare(self, firmware: Firmware, image: bytes, progress: Progress) -> Prepared:
        prepared = super().prepare(firmware, image, progress)
        counter = self._board_info().get("counter", "unknown")
        notes = prepared.notes
        if counter == "python":
            notes = (
                *notes,
                "instructions are counted in Python, as no C compiler (cc) works here: the counts "
                "are the same, the simulated core is some ten times slower",
            )
        facts = {**prepared.facts, "instruction_counter": counter}
        return replace(prepared, notes=notes, facts=facts)

    def counter_reads(self, last: int) -> list[tuple[int, int]]:
        try:
            reads = self._handle.control("cyccnt_reads", last=last) if self._handle else {}
        except (BoardGone, ValueError):
            return []
        return [(value, weighted) for value, weighted in reads.get("reads", [])]

    def diagnose(self, error: HilbenchError) -> HilbenchError:
        """The core's own account of it, and the simulated board's when it saw a violation."""
        better = super().diagnose(error)
        found = self._violations()
        if not found:
            return better
        first = found[0]
        where = self._symbol(first["pc"]) or f"{first['pc']:#010x}"
        return type(better)(
            f"{better.message}; the simulated board stopped the core at a violation of the "
            f"reference manual: {first['rule']}: {first['detail']} (near {where})",
            hint=better.hint,
        )

    def _board_info(self) -> dict[str, Any]:
        return self._handle.info if self._handle is not None else {}

    def _violations(self) -> list[dict[str, Any]]:
        try:
            return self._handle.violations() if self._handle is not None else []
        except (BoardGone, ValueError):
            return []

    def close(self) -> None:
        super().close()
        if self._handle is not None:
            unplug(self._handle)
            self._handle.stop()


def _faults() -> dict[str, Any]:
    text = os.environ.get(FAULTS_VARIABLE, "")
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(f"${FAULTS_VARIABLE} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"${FAULTS_VARIABLE} must be a JSON object")
    return value
