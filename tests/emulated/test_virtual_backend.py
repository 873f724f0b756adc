"""What the virtual backend adds to a run: the counter in use, and what the board complained of."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from tests.conftest import require_module

from hilbench.backends.base import create_backend
from hilbench.backends.virtual.backend import VirtualBackend
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import load_firmware
from hilbench.errors import AttestationError

pytestmark = pytest.mark.emulated

#: The address of DBGMCU in the firmware's code, and one where there is no register.
KNOWN, UNKNOWN = struct.pack("<I", 0xE0042000), struct.pack("<I", 0xE0042FF0)


def make_backend() -> VirtualBackend:
    """A backend that has not started."""
    require_module("unicorn", "virtual")
    backend = create_backend(find_board(load_catalogue(), "nucleo-f746"), "virtual", None)
    assert isinstance(backend, VirtualBackend)
    return backend


@pytest.mark.parametrize("kind", ["c", "python"])
def test_the_counter_in_use_is_recorded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "python":
        monkeypatch.setenv("HILBENCH_COUNTER", "python")
    backend = make_backend()
    board = find_board(load_catalogue(), "nucleo-f746")
    try:
        backend.acquire()
        prepared = backend.prepare(load_firmware(board.firmware), bytes(64), lambda *_: None)
    finally:
        backend.close()
    counted = prepared.facts["instruction_counter"]
    assert counted == "python" or kind == "c"
    assert any("counted in Python" in note for note in prepared.notes) == (counted == "python")


def test_a_violation_is_named_in_the_error() -> None:
    board = find_board(load_catalogue(), "nucleo-f746")
    firmware = load_firmware(board.firmware)
    wrong = tuple(replace(s, data=s.data.replace(KNOWN, UNKNOWN)) for s in firmware.segments)
    assert wrong != firmware.segments
    vars(firmware)["segments"] = wrong
    backend = make_backend()
    try:
        backend.acquire()
        backend.prepare(firmware, bytes(64), lambda *_: None)
        device = backend.start()
        with pytest.raises(AttestationError) as caught:
            device.attest(deadline_s=1.0)
        better = backend.diagnose(caught.value)
    finally:
        backend.close()
    assert isinstance(better, AttestationError)
    assert "violation of the reference manual: unknown register" in better.message
    assert "0xe0042ff0" in better.message
    assert "hb_port_start" in better.message
