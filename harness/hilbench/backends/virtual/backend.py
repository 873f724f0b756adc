"""The virtual board: start one, plug it in, and from there on it is a board like any other."""

from __future__ import annotations

import json
import os
from typing import Any

from hilbench.backends.silicon import SiliconBackend
from hilbench.backends.virtual.board import BoardConfig, BoardHandle, start
from hilbench.backends.virtual.usb import plug, unplug
from hilbench.boards import BackendSpec, Board
from hilbench.errors import UsageError

#: Faults for the simulated board to have, as JSON: for tests and demonstrations.
FAULTS = "HILBENCH_VIRTUAL_FAULTS"


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

    def close(self) -> None:
        super().close()
        if self._handle is not None:
            unplug(self._handle)
            self._handle.stop()


def _faults() -> dict[str, Any]:
    text = os.environ.get(FAULTS, "")
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(f"${FAULTS} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"${FAULTS} must be a JSON object")
    return value
