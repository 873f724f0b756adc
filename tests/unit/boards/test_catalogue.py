"""boards.yaml and lab.yaml: the shipped one loads, and each mistake names its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbench.boards import load_catalogue, load_lab
from hilbench.boards.acceptance import accept_board
from hilbench.boards.catalogue import find_board, read_catalogue
from hilbench.errors import ConfigError, HostIOError, UsageError

GOOD = """\
version: 1
boards:
  toy:
    title: a toy
    mcu: none
    core: cortex-m4
    isa: [thumb2]
    silicon_tested: false
    clock_hz: 1000
    clock_flags: [icache]
    wait_states: 0
    counter: {kind: timer, hz: 25000000}
    image_slot: {address: 0, bytes: 16}
    uart: {baud: 115200, max_baud: 115200}
    backends:
      qemu: {ticks: instructions, time_base: none, ticks_to_instructions: [40, 64],
             system: qemu, package: qemu, machine: toy, icount_shift: 6}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "boards.yaml"
    path.write_text(text)
    return path


def test_shipped_catalogue() -> None:
    boards = load_catalogue()
    assert {"nucleo-f746", "mps2-an385-m0", "mps2-an386", "mps2-an500", "mps3-an547"} <= set(boards)
    assert "rv32-virt" in boards
    assert boards["nucleo-f746"].backends["silicon"].facts.origin == "measured"
    assert not any(board.silicon_tested for board in boards.values())


def test_ticks_become_instructions_rounded_up(tmp_path: Path) -> None:
    spec = read_catalogue(write(tmp_path, GOOD))["toy"].backends["qemu"]
    # 64 ns per instruction, 40 ns per tick: 5 ticks are 3.125 instructions, so the 4th has begun
    assert [spec.count(ticks) for ticks in (0, 1, 5, 8)] == [0, 1, 4, 5]


def test_extra_catalogue_adds_and_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_BOARDS", str(write(tmp_path, GOOD)))
    assert "toy" in load_catalogue()


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("version: 1", "version: 2", None, "catalogue version 2"),
        ("version: 1", "version: '1'", 1, "version must be a whole number"),
        ("clock_hz: 1000", "clock_hz: fast", 9, "clock_hz must be a whole number"),
        ("    wait_states: 0\n", "", 4, "wait_states is missing"),
        ("wait_states: 0", "wait_states: 0\n    colour: red", 12, "unknown field 'colour'"),
        ("wait_states: 0", "wait_states: -1", 11, "at least 0"),
        ("kind: timer", "kind: clock", 12, "must be one of"),
        ("[icache]", "[turbo]", 4, "unknown 'turbo'"),
        ("[icache]", "icache", 10, "clock_flags must be a list"),
        ("ticks: instructions", "ticks: cycles", 16, "ticks_to_instructions goes with"),
        ("[40, 64]", "[40]", 16, "must have 2 entries"),
        ("[40, 64]", "[1, 1]", 4, "contradicts counter.hz"),
        ("icount_shift: 6", "icount_shift: 5", 4, "contradicts counter.hz"),
        ("      qemu: {", "      cloud: {", 16, "unknown backend 'cloud'"),
        ("title: a toy", "title: a toy\n    title: twice", 5, "title is given twice"),
        ("isa: [thumb2]", "isa: [", None, "not valid YAML"),
        ("boards:\n", "boards: 3\nx:\n", 2, "boards must be a mapping"),
    ],
)
def test_each_mistake_names_file_and_line(
    tmp_path: Path, old: str, new: str, line: int | None, text: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_catalogue(path)
    assert text in caught.value.message
    assert str(path) in caught.value.message
    if line is not None:
        assert f"{path}:{line}:" in caught.value.message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"- 1\n- 2\n", b"&a [*a]", b"{" * 3000])
def test_hostile_files_are_config_errors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "boards.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_catalogue(path)


def test_unknown_board_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        find_board(load_catalogue(), "nucleo")
    assert "nucleo-f746" in (caught.value.hint or "")


def test_lab_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("devices:\n  bench-1: {board: nucleo-f746, probe: '066C', port: /dev/ttyX}\n")
    monkeypatch.setenv("HILBENCH_LAB", str(path))
    (device,) = load_lab()
    assert (device.name, device.probe, device.port) == ("bench-1", "066C", "/dev/ttyX")
    path.write_text("devices:\n  bench-1: {board: nucleo-f746, prob: '066C'}\n")
    with pytest.raises(ConfigError, match=r"lab\.yaml:2: .*probe is missing"):
        load_lab()


def test_acceptance_is_noted_and_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    accept_board("nucleo-f746", "a-run")
    assert load_catalogue()["nucleo-f746"].silicon_tested
    (tmp_path / "file").touch()
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(HostIOError, match="the run passed"):
        accept_board("nucleo-f746", "a-run")
