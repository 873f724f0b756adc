"""Virtual boards for tests: started, plugged in, and put away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import require_module, require_tool
from tests.emulated.virtual_boards import BoardHandle, StartBoard
from tests.unit.virtual.programs import SOURCES, build


@pytest.fixture
def start_board(tmp_path: Path) -> Iterator[StartBoard]:
    """``start_board(**faults)``: a board that this process sees like a connected one."""
    require_module("unicorn", "virtual")
    from hilbench.backends.virtual import board, usb

    started: list[BoardHandle] = []

    def start(**faults: Any) -> BoardHandle:
        log = tmp_path / f"board{len(started)}.log"
        handle = board.start(board.BoardConfig(faults=faults, log=log))
        started.append(handle)
        usb.plug(handle)
        return handle

    yield start
    for handle in started:
        usb.unplug(handle)
        handle.stop()


@pytest.fixture(scope="session")
def echo_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that says ``hello`` and echoes."""
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    return build(SOURCES / "echo.c", tmp_path_factory.mktemp("echo"), "echo")
