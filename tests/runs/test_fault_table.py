"""The fault table: what strikes, what exit code and message follow, and that nothing is lost.

hilbench is an unmodified process; the faults are in the simulated board, its USB, its serial line,
the files or the disk.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, Outcome, hear_interrupts, hilbench, require_module

from hilbench.boards import load_catalogue
from hilbench.boards.firmware import load_firmware
from hilbench.store import open_bundle, read_journal

pytestmark = pytest.mark.emulated

RUN = ("run", "--board", "nucleo-f746", "--backend", "virtual")
QUICK = ("--vectors", "40", "--performance-vectors", "5", "--deadline", "12")


@pytest.fixture(autouse=True)
def _virtual() -> None:
    require_module("unicorn", "virtual")


def run(tmp_path: Path, faults: dict[str, Any], *arguments: str) -> Outcome:
    env = {"HILBENCH_VIRTUAL_FAULTS": json.dumps(faults)}
    return hilbench(*RUN, *QUICK, "--out", tmp_path / "out", *arguments, env=env)


def kernel_address() -> int:
    firmware = load_firmware(load_catalogue()["nucleo-f746"].firmware)
    return next(a for a, _, name in firmware._functions if name == "hb_conv_2d_s8xs8_dsp")


@dataclass(frozen=True)
class Case:
    """A fault of the board and what must follow: exit code, message, whether a bundle stays."""

    faults: dict[str, Any]
    code: int
    message: str
    bundle: bool = True
    arguments: tuple[str, ...] = field(default=())


CASES = {
    "probe absent": Case({"probe_absent": True}, 4, "no ST NUCLEO-F746ZG .*no probe at all", False),
    "USB timeout on opening": Case({"usb_timeout": "open"}, 4, "did not answer in time", False),
    "old probe firmware": Case({"old_probe_firmware": True}, 4, "older firmware", False),
    "USB timeout later": Case({"usb_timeout": 400}, 5, "did not answer in time"),
    "probe lost while flashing": Case({"usb_lost_at_page": 3}, 5, "disappeared from USB"),
    "wrong chip": Case({"chip_id": 0x10006451}, 5, "0x451 at 0xe0042000, 0x449 was expected"),
    "readout protection 1": Case({"readout_protection": 1}, 5, "[Rr]eadout protection", False),
    "readout protection 2": Case({"readout_protection": 2}, 5, "readout protection level 2", False),
    "held in reset": Case({"held_in_reset": True}, 5, "reset", False),
    "stuck bit": Case(
        {"stuck_low": {"0x08000004": 0xFF}},
        5,
        "flash differs after programming: 0x00 at 0x08000004, 0x.. was written",
    ),
    "flash busy for ever": Case({"flash_busy": True}, 5, "flash.*(busy|ready)"),
    "flash operation error": Case({"flash_error_at": "0x08001000"}, 5, "OPERR"),
    "caches off": Case({"caches_off": True}, 5, "icache is off; dcache is off"),
    "no clock from the probe": Case(
        {"hse_absent": True}, 5, "core clock is 16000000 Hz, expected 216000000 Hz"
    ),
    "silent after reset": Case({"uart_to_host": {"mute_after": 0}}, 5, "does not answer"),
    "clock 10 % slow": Case(
        {"clock_factor": 0.9}, 3, r"core clock is 1[89]\d\.\d MHz.*says 216\.0 MHz"
    ),
    "silent in mid-run": Case(
        {"uart_to_host": {"mute_after": 900}},
        6,
        "no progress for 6 s",
        arguments=("--deadline", "6"),
    ),
    "port gone": Case({"port_gone_after": 900}, 6, "serial port .* is gone"),
    "HardFault": Case(
        {"hard_fault": {"address": kernel_address(), "count": 12}},
        6,
        r"HardFault at PC 0x0800.... \(hb_conv_2d_s8.*\), LR 0x0800.... \(\w+\+0x.*CFSR 0x00010000",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fault(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    outcome = run(tmp_path, case.faults, *case.arguments)
    assert outcome.code == case.code, outcome.stderr
    assert re.search(case.message, outcome.stderr), outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.count("\n  ") >= 1, "an error without a hint"
    folders = list((tmp_path / "out").glob("*"))
    assert bool(folders) == case.bundle
    if case.bundle:
        errors = [e for e in read_journal(folders[0]) if e["event"] == "error"]
        assert [e["code"] for e in errors] == [case.code]
    if case.code == 6:
        recover(folders[0])


def recover(folder: Path) -> None:
    """The board is well again: the run goes on, and keeps what it had."""
    before = [e for e in read_journal(folder) if e["event"] in ("sample", "window")]
    outcome = hilbench("resume", folder, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"]["top1"]["n"] == 40
    assert outcome.json["metrics"]["output_mismatches"]["value"] == 0
    after = [e for e in open_bundle(folder).journal() if e["event"] in ("sample", "window")]
    assert after[: len(before)] == before
    samples = [e["v"] for e in after if e["event"] == "sample"]
    assert sorted(samples) == list(range(40))


@pytest.mark.parametrize("direction", ["uart_to_host", "uart_to_device"])
@pytest.mark.parametrize(
    "kind", ["drop", *(pytest.param(k, marks=pytest.mark.slow) for k in ("corrupt", "duplicate"))]
)
def test_bad_line_is_survived_and_counted(kind: str, direction: str, tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        {direction: {kind: 0.0008, "seed": 3}},
        "--mode",
        "accuracy",
        "--json",
        "--vectors",
        "200",
        "--deadline",
        "30",
    )
    assert outcome.code == 0, outcome.stderr
    metrics = outcome.json["metrics"]
    assert metrics["output_mismatches"]["value"] == 0
    assert metrics["top1"]["n"] == 200
    assert metrics["link_retransmissions"]["value"] > 0
    bundle = open_bundle(Path(outcome.json["bundle"]))
    counters = bundle.provenance["counters"]
    link = next(e for e in bundle.journal() if e["event"] == "link")
    dropped = [
        counters["crc_errors"],
        counters["cobs_errors"],
        link["crc_errors"],
        link["cobs_errors"],
    ]
    assert sum(dropped) > 0


def test_delayed_bytes(tmp_path: Path) -> None:
    outcome = run(tmp_path, {"uart_to_host": {"delay_s": 0.05}}, "--mode", "accuracy", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"]["output_mismatches"]["value"] == 0


# ---------------------------------------------------------------- firmware, image, model


def catalogue(tmp_path: Path, **changes: Any) -> dict[str, str]:
    """The nucleo's entry with some fields changed, as a further catalogue."""
    content = yaml.safe_load((ROOT / "boards.yaml").read_text())
    board = content["boards"]["nucleo-f746"] | changes
    path = tmp_path / "boards.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "boards": {"nucleo-f746": board}}))
    return {"HILBENCH_BOARDS": str(path)}


def test_firmware_of_another_board(tmp_path: Path) -> None:
    env = catalogue(tmp_path, firmware="mps2-an386")
    outcome = hilbench(*RUN, "--out", tmp_path / "out", env=env)
    assert outcome.code == 5
    assert "is the firmware of mps2-an386, not of nucleo-f746" in outcome.stderr


def test_firmware_of_another_protocol(tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    shutil.copytree(ROOT / "firmware/prebuilt/nucleo-f746", folder)
    (folder / "manifest.json").unlink()
    elf = folder / "firmware.elf"
    data = bytearray(elf.read_bytes())
    at = data.index(b"HBMETA1\0")
    data[at + 8 : at + 10] = (99).to_bytes(2, "little")
    elf.write_bytes(data)
    outcome = hilbench(
        *RUN, "--out", tmp_path / "out", env=catalogue(tmp_path, firmware="./firmware")
    )
    assert outcome.code == 5
    assert "speaks protocol 99" in outcome.stderr
    assert "nothing was flashed" in outcome.stderr


def test_altered_firmware(tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    shutil.copytree(ROOT / "firmware/prebuilt/nucleo-f746", folder)
    elf = folder / "firmware.elf"
    elf.write_bytes(elf.read_bytes() + b"x")
    outcome = hilbench(
        *RUN, "--out", tmp_path / "out", env=catalogue(tmp_path, firmware="./firmware")
    )
    assert outcome.code == 2
    assert "differs from its manifest" in outcome.stderr


def test_model_that_does_not_fit_flash(tmp_path: Path) -> None:
    env = catalogue(tmp_path, image_slot={"address": 0x08040000, "bytes": 6000})
    outcome = hilbench(*RUN, "--out", tmp_path / "out", env=env)
    assert outcome.code == 2
    assert re.search(r"\d+ bytes of flash .*has 6000", outcome.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"arena_capacity_bytes": 3192}, "72 bytes of RAM for the arena (needs 3264, has 3192)"),
        ({"vector_buffer_bytes": 60}, "4 bytes of RAM for one vector (needs 64, has 60)"),
    ],
)
def test_model_that_does_not_fit_ram(tmp_path: Path, limit: dict[str, int], message: str) -> None:
    folder = tmp_path / "firmware"
    shutil.copytree(ROOT / "firmware/prebuilt/nucleo-f746", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | limit))
    env = catalogue(tmp_path, firmware="./firmware")
    outcome = hilbench(*RUN, "--out", tmp_path / "out", env=env)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- plugged boards, as in a lab

SITE = """\
from hilbench.backends.virtual.usb import plug_from_environment
plug_from_environment()
"""


class Lab:
    """Virtual boards that stay plugged in; hilbench sees them as real ones (test-only ticks)."""

    def __init__(self, tmp_path: Path, count: int) -> None:
        from hilbench.backends.virtual.board import BoardConfig, start

        self._tmp_path = tmp_path
        self.boards = [start(BoardConfig()) for _ in range(count)]
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE)
        self.env = {
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "harness")]),
            "HILBENCH_VIRTUAL_PLUG": ",".join(board.socket_path for board in self.boards),
        }

    def run(self, *arguments: str) -> Outcome:
        """`hilbench run` on silicon: the plugged boards are all it sees."""
        out = self._tmp_path / "out"
        return hilbench(
            "run", "--board", "nucleo-f746", *QUICK, "--out", out, *arguments, env=self.env
        )

    def close(self) -> None:
        for board in self.boards:
            board.stop()


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    lab = Lab(tmp_path, getattr(request, "param", 1))
    yield lab
    lab.close()


@pytest.mark.parametrize("lab", [2], indirect=True)
def test_two_boards_that_match(lab: Lab) -> None:
    outcome = lab.run()
    assert outcome.code == 4
    assert all(board.serial in outcome.stderr for board in lab.boards)
    assert "--device" in outcome.stderr
    shown = hilbench("devices", "--json", env=lab.env).json
    assert {d["probe"] for d in shown["devices"]} == {board.serial for board in lab.boards}
    assert {d["port"] for d in shown["devices"]} == {board.port for board in lab.boards}


def test_port_held_by_another_program(lab: Lab) -> None:
    import serial

    with serial.Serial(lab.boards[0].port, exclusive=True):
        outcome = lab.run()
    assert outcome.code == 4
    assert f"serial port {lab.boards[0].port} is held by another program" in outcome.stderr


def test_probe_lost_after_the_agent_has_answered(lab: Lab, tmp_path: Path) -> None:
    """The probe has done its part: the run goes on over the serial port and ends well."""
    command = [sys.executable, "-m", "hilbench", "run", "--board", "nucleo-f746"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")],
        env={**os.environ, **lab.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    journals = tmp_path / "out"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if any(b'"sample"' in j.read_bytes() for j in journals.glob("*/journal.jsonl")):
            break
        time.sleep(0.01)
    lab.boards[0].inject(usb_lost_after=0)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr
    (folder,) = journals.iterdir()
    assert open_bundle(folder).metrics["verdict"]["status"] == "valid"


def test_board_locked_by_another_run(lab: Lab) -> None:
    from hilbench.backends.lock import DeviceLock

    lock = DeviceLock(lab.boards[0].serial)
    try:
        outcome = lab.run()
    finally:
        lock.release()
    assert outcome.code == 4
    assert re.search(rf"in use by another run \(process {os.getpid()} of ", outcome.stderr)


def test_flashing_is_skipped_when_the_board_already_has_it(lab: Lab, tmp_path: Path) -> None:
    flash = ("flash", "--board", "nucleo-f746", "--json")
    first = hilbench(*flash, env=lab.env)
    assert first.code == 0, first.stderr
    assert "verified them by read-back" in first.json["notes"][0]
    second = hilbench(*flash, env=lab.env)
    assert "flashing skipped" in second.json["notes"][0]
    assert "verified by read-back" in second.json["notes"][0]


# ---------------------------------------------------------------- files and disk


@pytest.mark.parametrize("variable", ["HILBENCH_BOARDS", "HILBENCH_LAB"])
def test_malformed_yaml(tmp_path: Path, variable: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("version: 1\nboards: [\n")
    outcome = hilbench("run", "--board", "nucleo-f746", env={variable: str(path)})
    assert outcome.code == 2, outcome.stderr
    assert f"{path}:3: not valid YAML" in outcome.stderr


def test_disk_full_keeps_what_was_recorded(tmp_path: Path) -> None:
    """A real file system of 256 KiB fills up in mid-run; with room again the run goes on."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs privileges that are not there")
    try:
        ballast = small / "ballast"
        ballast.write_bytes(bytes(140 << 10))
        outcome = hilbench(*RUN, "--out", small / "out", "--mode", "accuracy")
        assert outcome.code == 74, outcome.stderr
        assert "the disk is full" in outcome.stderr
        (folder,) = (small / "out").iterdir()
        before = [e for e in read_journal(folder) if e["event"] == "sample"]
        assert before
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        outcome = hilbench("resume", folder, "--json")
        assert outcome.code == 0, outcome.stderr
        after = [e for e in open_bundle(folder).journal() if e["event"] == "sample"]
        assert after[: len(before)] == before
        assert sorted(e["v"] for e in after) == list(range(450))
    finally:
        subprocess.run(["umount", str(small)], check=True)


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(
    "delay_s",
    [1.0, 2.5, 4.5],
)
@pytest.mark.slow
def test_signals_leave_a_resumable_run_and_no_process(
    tmp_path: Path, sign: signal.Signals, delay_s: float
) -> None:
    process = subprocess.Popen(
        # long enough that it still runs at the last of these times
        [sys.executable, "-m", "hilbench", *RUN, "--repeat", "50", "--out", str(tmp_path / "out")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    time.sleep(delay_s)
    process.send_signal(sign)
    process.wait(30)
    if sign is signal.SIGINT:
        assert process.returncode == 130
    until = time.monotonic() + 10
    while boards_alive(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert boards_alive(tmp_path) == []
    for folder in (tmp_path / "out").glob("*"):
        outcome = hilbench("resume", folder, "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.json["metrics"]["top1"]["n"] == 450


def boards_alive(tmp_path: Path) -> list[int]:
    """Board processes whose environment names this test's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"hilbench.backends.virtual" not in (entry / "cmdline").read_bytes():
                continue
            if str(tmp_path).encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
