"""Real pyOCD and real pyserial against the virtual board."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest
import serial
import serial.tools.list_ports
from tests.emulated.virtual_boards import (
    FIRMWARE,
    FREQUENCY_HZ,
    TARGET,
    StartBoard,
    open_session,
)
from tests.unit.virtual.programs import segments, symbol

from hilbench.backends.probe import ProbeSession, list_probes
from hilbench.errors import NoDevice, ToolMissing

pytestmark = pytest.mark.emulated


def test_it_is_seen_as_an_st_link_and_its_port(start_board: StartBoard) -> None:
    board = start_board()
    probe = next(p for p in list_probes() if p.unique_id == board.serial)
    assert (probe.vid_pid, probe.board_id) == ("0483:374b", "0816")
    port = next(p for p in serial.tools.list_ports.comports() if p.serial_number == board.serial)
    assert (port.vid, port.pid, port.device) == (0x0483, 0x374B, board.port)


def test_flash_verify_reset_and_talk(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board()
    program = [*segments(echo_elf), (0x0804_0000, os.urandom(10_001))]
    fractions: list[float] = []
    with open_session(board) as session, serial.Serial(board.port, 115200, timeout=5) as port:
        assert session.chip_id(0xE004_2000) == 0x1001_6449
        assert session.read_memory(0x1FF0_F420, 12) == b"HILBENCH\xf7F\x00\x01"
        assert not session.matches(program)
        session.program(program, fractions.append)
        assert session.matches(program)
        session.reset_and_run()
        assert port.readline() == b"hello\n"
        port.write(b"0123456789\n")
        assert port.readline() == b"0123456789\n"
        assert session.fault_state() is None
    assert fractions[-1] == pytest.approx(1.0)
    assert board.violations() == []


def test_programming_while_firmware_runs(start_board: StartBoard) -> None:
    """The firmware's tick would fire inside the flash algorithm without the reset before it."""
    board = start_board()
    with open_session(board) as session:
        for filling in (b"\x00", b"\xa5"):
            session.program([*segments(FIRMWARE), (0x0804_0000, filling * 4096)])
            session.reset_and_run()
            time.sleep(0.05)
    assert board.violations() == []


def test_halt_step_breakpoint_registers(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board()
    with open_session(board) as session:
        session.program(segments(echo_elf))
        session.reset_and_halt()
        target = session._session.target
        reset_handler = symbol(echo_elf, "reset_handler") & ~1
        main = symbol(echo_elf, "main") & ~1
        assert target.read_core_register("pc") == reset_handler
        target.step()
        assert target.read_core_register("pc") == reset_handler + 2
        target.write_core_register("r5", 0x12345678)
        target.set_breakpoint(main)
        target.resume()
        while target.get_state() != target.State.HALTED:
            time.sleep(0.01)
        assert target.read_core_register("pc") == main
        assert target.read_core_register("r5") == 0x12345678


def test_resets_and_what_they_leave(start_board: StartBoard, echo_elf: Path) -> None:
    from pyocd.core.target import Target

    board = start_board()
    with open_session(board) as session:
        session.program(segments(echo_elf))
        target = session._session.target
        for kind, flags in (
            (Target.ResetType.HARDWARE, 0x0400_0000),  # PINRSTF
            (Target.ResetType.SYSTEM, 0x1400_0000),  # SFTRSTF: it pulls NRST, too
        ):
            target.write32(0x4002_3874, 1 << 24)  # RMVF
            target.reset_and_halt(kind)
            assert target.read32(0x4002_3874) & 0xFE00_0000 == flags
            assert target.get_halt_reason() == Target.HaltReason.VECTOR_CATCH


def test_a_hard_fault_can_be_caught(start_board: StartBoard, echo_elf: Path) -> None:
    from pyocd.core.target import Target

    at = symbol(echo_elf, "main") & ~1
    board = start_board(hard_fault={"address": at, "count": 1})
    with open_session(board) as session:
        session.program(segments(echo_elf))
        session.reset_and_halt()
        target = session._session.target
        target.set_vector_catch(Target.VectorCatch.HARD_FAULT)
        target.resume()
        while target.get_state() != Target.State.HALTED:
            time.sleep(0.01)
        assert target.read_core_register("pc") == symbol(echo_elf, "hard_fault_handler") & ~1
        assert target.read_core_register("ipsr") == 3


def test_a_chip_erase_leaves_nothing(start_board: StartBoard, echo_elf: Path) -> None:
    from pyocd.flash.eraser import FlashEraser

    board = start_board()
    with open_session(board) as session:
        session.program([*segments(echo_elf), (0x080F_FFF0, bytes(16))])
        session.reset_and_halt()
        FlashEraser(session._session, FlashEraser.Mode.CHIP).erase()
        assert session.read_memory(0x0800_0000, 0x10_0000) == b"\xff" * 0x10_0000


def test_a_wrong_baud_rate_gives_no_text(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board()
    with open_session(board) as session, serial.Serial(board.port, 57600, timeout=0.5) as port:
        session.program(segments(echo_elf))
        session.reset_and_run()
        heard = port.read(100)
        port.write(b"abc")
        time.sleep(0.1)
    assert heard
    assert b"hello" not in heard
    assert board.control("info")["uart"]["framing"] == 3


def test_two_boards_at_once(start_board: StartBoard, echo_elf: Path) -> None:
    boards = [start_board(), start_board()]
    ports = [serial.Serial(board.port, 115200, timeout=5) for board in boards]
    sessions = [open_session(board) for board in boards]
    for session in sessions:
        session.program(segments(echo_elf))
    for session in sessions:
        session.reset_and_run()
    for number, port in enumerate(ports):
        assert port.readline() == b"hello\n"
        port.write(b"board %d\n" % number)
    assert [port.readline() for port in ports] == [b"board 0\n", b"board 1\n"]
    for session, port in zip(sessions, ports, strict=True):
        session.close()
        port.close()


def test_the_board_ends_with_its_parent() -> None:
    code = """
import json, sys, time
from hilbench.backends.virtual import board
handle = board.start(board.BoardConfig())
print(json.dumps([handle.process.pid, handle.socket_path]), flush=True)
time.sleep(60)
"""
    pytest.importorskip("unicorn", reason="pip install 'hilbench[virtual]'")
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, socket_path = json.loads(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(socket_path).parent.exists()


def test_it_starts_with_what_is_in_flash(echo_elf: Path, tmp_path: Path) -> None:
    from hilbench.backends.virtual import board

    image = tmp_path / "flash.bin"
    ((address, data),) = segments(echo_elf)
    assert address == 0x0800_0000
    image.write_bytes(data)
    with (
        board.start(board.BoardConfig(flash_image=image, timing="unlimited")) as handle,
        serial.Serial(handle.port, 115200, timeout=5) as port,
    ):
        port.write(b"echo\n")
        assert b"echo\n" in port.read_until(b"echo\n")


@pytest.mark.slow
def test_the_line_keeps_its_rate_beside_busy_processes(start_board: StartBoard) -> None:
    """95 % of baud / 10 at 921,600 baud, in both directions, payload only; median of five."""
    from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
    from hilbench.device.client import LinkMode
    from hilbench.link import open_link
    from hilbench.schema import protocol as p

    board, baud, size, count = start_board(), 921_600, 490, 200
    if board.info["counter"] != "c":
        pytest.skip("needs the C helper: apt-get install gcc")
    link = open_link(board.port, 115_200)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    shares: dict[p.RunMode, list[float]] = {p.RunMode.SINK: [], p.RunMode.SOURCE: []}
    try:
        with open_session(board) as session:
            session.program(segments(FIRMWARE))
            session.reset_and_run()
            device = Device(link)
            device.attest()
            slow, fast = LinkMode(115_200, p.RxMode.IRQ), LinkMode(baud, p.RxMode.DMA)
            assert device.negotiate(fast, slow) == fast
            for mode in list(shares) * 5:
                data = os.urandom(size * count) if mode is p.RunMode.SINK else b""
                statistics = StreamStatistics()
                request = RunRequest(mode, data, size, count)
                for _ in run_stream(device, request, statistics, 20.0):
                    pass
                sunk = mode is p.RunMode.SINK
                rate_Bps = statistics.goodput_Bps if sunk else statistics.out_goodput_Bps
                shares[mode].append(rate_Bps / (baud / 10))
    finally:
        for process in busy:
            process.kill()
            process.wait()
        link.close()
    assert median(shares[p.RunMode.SINK]) >= 0.95, shares
    assert median(shares[p.RunMode.SOURCE]) >= 0.95, shares
    assert board.violations() == []


def test_an_idle_board_sleeps(start_board: StartBoard, echo_elf: Path) -> None:
    board = start_board()
    with open_session(board) as session:
        session.program(segments(echo_elf))
        session.reset_and_run()
    time.sleep(0.2)
    before = board.control("info")["wakeups"]
    time.sleep(1.0)
    assert board.control("info")["wakeups"] - before < 20


def test_unicorn_missing_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from hilbench.backends.virtual import board

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolMissing) as caught:
        board.start(board.BoardConfig())
    assert "pip install 'hilbench[virtual]'" in (caught.value.hint or "")
    assert caught.value.exit_code == 4


def test_an_unmodified_process_sees_boards_of_the_environment(start_board: StartBoard) -> None:
    boards = [start_board(), start_board()]
    code = (
        "from hilbench.backends.virtual.usb import plug_from_environment\n"
        "plug_from_environment()\n"
        "from hilbench.backends.probe import list_probes\n"
        "print(*[p.unique_id for p in list_probes()])\n"
    )
    environment = {
        **os.environ,
        "HILBENCH_VIRTUAL_PLUG": ",".join(board.socket_path for board in boards),
    }
    seen = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {board.serial for board in boards} <= set(seen)


def test_a_probe_that_is_not_there() -> None:
    with pytest.raises(NoDevice) as caught:
        ProbeSession.open("066BFF000000000000000000", TARGET, FREQUENCY_HZ)
    assert caught.value.exit_code == 4
    assert "066BFF000000000000000000" in caught.value.message
