"""Faults of board, flash, probe and line, and the errors that they become."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import serial
from tests.emulated.virtual_boards import FIRMWARE, StartBoard, open_session
from tests.unit.virtual.programs import segments, symbol

from hilbench.backends import probe as probe_module
from hilbench.backends.probe import list_probes
from hilbench.errors import (
    FlashError,
    HilbenchError,
    PrepareError,
    ProbeUnusable,
    TargetIdentityError,
    TargetLocked,
    UsageError,
)

pytestmark = pytest.mark.emulated

PROGRAM = [(0x0800_0000, bytes(range(256)) * 64)]


def test_probe_absent(start_board: StartBoard) -> None:
    board = start_board(probe_absent=True)
    assert board.serial not in [p.unique_id for p in list_probes()]


OPENING: dict[str, tuple[dict[str, Any], type[HilbenchError], str]] = {
    "usb timeout": ({"usb_timeout": "open"}, ProbeUnusable, "did not answer in time"),
    "old probe firmware": ({"old_probe_firmware": True}, ProbeUnusable, "older firmware"),
    "lost on opening": ({"usb_lost_after": 4}, ProbeUnusable, "disappeared"),
    "readout protection 1": ({"readout_protection": 1}, TargetLocked, "level 1"),
    "readout protection 2": ({"readout_protection": 2}, TargetLocked, "level 2"),
    "held in reset": ({"held_in_reset": True}, TargetLocked, "held in reset"),
    "lost while connecting": ({"usb_lost_after": 60}, PrepareError, "disappeared"),
    "timeout while connecting": ({"usb_timeout": 60}, PrepareError, "did not answer"),
}


@pytest.mark.parametrize("case", OPENING)
def test_opening(case: str, start_board: StartBoard) -> None:
    faults, kind, text = OPENING[case]
    board = start_board(**faults)
    with pytest.raises(kind) as caught:
        open_session(board)
    assert type(caught.value) is kind
    assert text in caught.value.message
    assert board.serial in caught.value.message
    assert "nothing was" in (caught.value.hint or "")
    assert caught.value.exit_code == (4 if kind is ProbeUnusable else 5)


FLASHING: dict[str, tuple[dict[str, Any], str]] = {
    "stuck bit": ({"stuck_low": {"0x08001234": "0x10"}}, "0x08001234"),
    "operation error": ({"flash_error_at": "0x08002000"}, "OPERR"),
    "lost at a page": ({"usb_lost_at_page": 3}, "disappeared"),
}


@pytest.mark.parametrize("case", FLASHING)
def test_flashing(case: str, start_board: StartBoard) -> None:
    faults, text = FLASHING[case]
    with (
        open_session(start_board(**faults)) as session,
        pytest.raises(FlashError) as caught,
    ):
        session.program(PROGRAM)
    assert text in caught.value.message
    assert "again" in (caught.value.hint or "")
    assert caught.value.exit_code == 5


def test_a_stuck_bit_is_named_with_both_values(start_board: StartBoard) -> None:
    board = start_board(stuck_low={"0x08000010": "0x10"})
    with open_session(board) as session, pytest.raises(FlashError) as caught:
        session.program(PROGRAM)
    assert "0x00 at 0x08000010, 0x10 was written" in caught.value.message


@pytest.mark.slow
def test_flash_busy_for_ever(start_board: StartBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(probe_module.TIMEOUTS_S, "flash.timeout.init", 1.0)
    board = start_board()
    with open_session(board) as session:
        board.inject(flash_busy=True)
        with pytest.raises(FlashError) as caught:
            session.program(PROGRAM)
    assert "timed out" in caught.value.message
    assert "does not get ready" in caught.value.message


def test_wrong_chip(start_board: StartBoard) -> None:
    board = start_board(chip_id="0x10006413")
    with open_session(board) as session, pytest.raises(TargetIdentityError) as caught:
        session.check_chip(0xE004_2000, 0xFFF, 0x449)
    assert "0x413" in caught.value.message
    assert "0x449" in caught.value.message


def test_lost_probe_has_no_diagnosis(start_board: StartBoard) -> None:
    """It is asked after something else went wrong: that error says more."""
    board = start_board()
    with open_session(board) as session:
        board.inject(usb_lost_after=0)
        assert session.fault_state() is None


def test_hard_fault_is_found_with_its_place(start_board: StartBoard, echo_elf: Path) -> None:
    at = symbol(echo_elf, "usart3_handler") & ~1
    board = start_board(hard_fault={"address": at, "count": 3})
    with open_session(board) as session, serial.Serial(board.port, 115200, timeout=2) as port:
        session.program(segments(echo_elf))
        session.reset_and_run()
        assert port.readline() == b"hello\n"
        port.write(b"ab")
        assert port.read(2) == b"ab"
        port.write(b"c")
        time.sleep(0.2)
        state = session.fault_state()
    assert state is not None
    assert state.pc == at
    assert state.cfsr == 1 << 16
    assert state.exception == 3


def test_bus_error_in_mid_run(start_board: StartBoard) -> None:
    board = start_board()
    with open_session(board) as session:
        session.program(segments(FIRMWARE))
        board.inject(bus_error_after=200)
        session.reset_and_run()
        time.sleep(0.3)
        state = session.fault_state()
    assert state is not None
    assert state.cfsr & 1 << 10  # IMPRECISERR


WIRE: dict[str, tuple[dict[str, Any], bytes]] = {
    "lost": ({"uart_to_host": {"drop_at": [1]}}, b"hllo\n"),
    "doubled": ({"uart_to_host": {"duplicate_at": [0]}}, b"hhello\n"),
    "mute from the start": ({"uart_to_host": {"mute_after": 0}}, b""),
    "mute after two": ({"uart_to_host": {"mute_after": 2}}, b"he"),
    "late": ({"uart_to_host": {"delay_s": 0.3}}, b"hello\n"),
}


@pytest.mark.parametrize("case", WIRE)
def test_bytes_on_their_way_to_the_host(case: str, start_board: StartBoard, echo_elf: Path) -> None:
    faults, expected = WIRE[case]
    board = start_board(**faults)
    with open_session(board) as session, serial.Serial(board.port, 115200, timeout=0.7) as port:
        session.program(segments(echo_elf))
        started = time.monotonic()
        session.reset_and_run()
        assert port.read_until(b"\n") == expected
        assert time.monotonic() - started >= faults["uart_to_host"].get("delay_s", 0)


def test_bytes_on_their_way_to_the_board(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board(uart_to_device={"drop_at": [0], "corrupt_at": [3], "seed": 7})
    with open_session(board) as session, serial.Serial(board.port, 115200, timeout=1) as port:
        session.program(segments(echo_elf))
        session.reset_and_run()
        port.readline()
        port.write(b"abcde")
        back = port.read(4)
    assert back[:2] + back[3:] == b"bce"
    assert (back[2] ^ ord("d")).bit_count() == 1
    assert board.control("info")["uart"]["altered"] == 2


def test_port_gone(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board(port_gone_after=6)
    with open_session(board) as session, serial.Serial(board.port, 115200, timeout=1) as port:
        session.program(segments(echo_elf))
        session.reset_and_run()
        with pytest.raises((serial.SerialException, OSError)):
            port.read(7)


def test_caches_off_reads_back(start_board: StartBoard) -> None:
    board = start_board(caches_off=True)
    with open_session(board) as session:
        session.program(segments(FIRMWARE))
        session.reset_and_run()
        time.sleep(0.1)
        assert int.from_bytes(session.read_memory(0xE000_ED14, 4), "little") & 3 << 16 == 0


def test_slow_crystal_slows_simulated_time(start_board: StartBoard) -> None:
    slow, right = start_board(clock_factor=0.5), start_board()
    before = [board.control("info")["now_s"] for board in (slow, right)]
    time.sleep(1.0)
    after = [board.control("info")["now_s"] for board in (slow, right)]
    passed = [b - a for a, b in zip(before, after, strict=True)]
    assert passed[0] / passed[1] == pytest.approx(0.5, rel=0.2)


def test_an_unknown_fault_is_refused(start_board: StartBoard) -> None:
    board = start_board()
    with pytest.raises(ValueError, match="no_such_fault"):
        board.inject(no_such_fault=1)
    with pytest.raises(UsageError, match="no_such_fault"):
        start_board(no_such_fault=1)
