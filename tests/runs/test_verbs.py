"""The other verbs: boards, devices, workloads, pack, doctor, flash, and how they start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import ROOT, hilbench, require_shared

from hilbench import workloads
from hilbench.cli.app import VERBS
from hilbench.models import Graph, Operator, Tensor, writer
from hilbench.models.graph import FullyConnectedOptions


def test_help_is_fast() -> None:
    """Best of five: the machine may be busy, the imports must not be."""
    times = []
    for _ in range(5):
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "hilbench", "--help"], capture_output=True, check=True
        )
        times.append(time.monotonic() - started)
    assert min(times) < 0.3


@pytest.mark.parametrize("heavy", ["numpy", "pyocd", "rich", "serial", "yaml"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys; from hilbench.cli.app import build_parser; build_parser('run'); "
        f"sys.exit('{heavy}' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    outcome = hilbench(verb, "--help")
    assert outcome.code == 0
    assert VERBS[verb] in " ".join(outcome.stdout.split())


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("> /dev/full", 74), (">&-", 0), ("2>&-", 0)],
)
@pytest.mark.parametrize("arguments", ["workloads", "workloads --json"])
def test_output_that_goes_nowhere_is_no_bug(arguments: str, redirection: str, code: int) -> None:
    command = f"{sys.executable} -m hilbench {arguments} {redirection}"
    outcome = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert outcome.returncode == code
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("arguments", [["workloads"], ["workloads", "--json"]])
def test_a_reader_that_left_is_no_bug_and_no_regression(arguments: list[str]) -> None:
    unread, stdout = os.pipe()
    os.close(unread)
    command = [sys.executable, "-m", "hilbench", *arguments]
    outcome = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False)
    os.close(stdout)
    assert outcome.returncode == 74
    assert outcome.stderr == b""


def test_a_terminal_without_the_characters_shows_the_rest() -> None:
    command = [sys.executable, "-m", "hilbench", "boards"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert (
        subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    )


def test_unknown_verb_is_a_usage_error() -> None:
    assert hilbench("fly").code == 2


def test_boards_say_what_never_ran_on_silicon() -> None:
    rows = {row["board"]: row for row in hilbench("boards", "--json").json}
    assert rows["nucleo-f746"]["backends"] == ["silicon", "virtual"]
    assert rows["nucleo-f746"]["silicon_tested"] is False
    assert "untested on silicon" in hilbench("boards").stdout


def test_devices_without_any() -> None:
    outcome = hilbench("devices", "--json")
    assert outcome.code == 0
    assert set(outcome.json) == {"devices", "probes", "ports"}


def test_silicon_without_a_board_is_blocked_and_says_how_else(tmp_path: Path) -> None:
    outcome = hilbench("run", "--board", "nucleo-f746", "--out", tmp_path / "out")
    assert outcome.code == 4
    assert "looked for a probe of kind stlink with board id 0816" in outcome.stderr
    assert "hilbench run --board nucleo-f746 --backend virtual" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_doctor_gives_a_remedy_for_whatever_is_not_ok(tmp_path: Path) -> None:
    findings = hilbench("doctor", "--json", "--out", tmp_path).json
    looked_at = {finding["what"] for finding in findings}
    assert {"pyOCD target", "virtual board", "emulator", "disk"} <= looked_at
    for finding in findings:
        if finding["status"] == "problem":
            assert finding["remedy"], finding


def test_doctor_sees_missing_emulators(tmp_path: Path) -> None:
    findings = hilbench("doctor", "--json", env={"PATH": "/nonexistent"}).json
    emulators = [f for f in findings if f["what"] == "emulator"]
    assert {f["status"] for f in emulators} == {"absent"}
    assert "apt-get install qemu-system-arm" in {f["remedy"] for f in emulators}


def test_doctor_acceptance_needs_a_board() -> None:
    assert hilbench("doctor", "--acceptance").code == 2


def test_pack_shows_costs_and_writes_the_image(tmp_path: Path) -> None:
    model, image = workloads.get("digits").default_model, tmp_path / "image.bin"
    content = hilbench("pack", model, "--image", image, "--json").json
    assert content["macs"] == sum(op["macs"] for op in content["ops"]) == 80_864
    assert image.stat().st_size == content["image_bytes"]
    assert image.read_bytes()[:4] == b"HBIM"


def test_speed_may_cost_flash() -> None:
    model = require_shared("mlperf-tiny/ic_int8.tflite")
    size, speed = (
        hilbench("pack", model, "--board", "mps2-an386", "--optimize", goal, "--json").json
        for goal in ("size", "speed")
    )
    assert speed["optimize"] == "speed"
    assert [op["kernel"] for op in speed["ops"]].count("dsp_winograd") == 4
    assert "dsp_winograd" not in [op["kernel"] for op in size["ops"]]
    assert size["image_bytes"] < 100_000 < speed["image_bytes"]
    arguments = ("--board", "mps2-an386", "--model", model, "--optimize", "speed", "--dry-run")
    plan = hilbench("run", *arguments).json
    assert plan["subject"]["optimize"] == "speed"
    assert plan["image"]["bytes"] == speed["image_bytes"]


def test_pack_names_what_is_unsupported(tmp_path: Path) -> None:
    """The operator, its place and its tensor: weights of a type that no operator takes."""
    weights = Tensor("w", (2, 4), "int16", (0.1,), (0,), data=np.ones((2, 4), np.int16))
    data = Tensor("x", (1, 4), "int8", (0.1,), (0,))
    graph = Graph(
        (data, weights, Tensor("y", (1, 2), "int8", (0.1,), (0,))),
        (Operator("FULLY_CONNECTED", (0, 1), (2,), FullyConnectedOptions()),),
        (0,),
        (2,),
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(writer.write(graph))
    outcome = hilbench("pack", path)
    assert outcome.code == 2
    assert "operator 0 (FULLY_CONNECTED): weights 'w' are int16" in outcome.stderr


def test_pack_draws_the_memory_plan() -> None:
    outcome = hilbench(
        "pack",
        workloads.get("digits").default_model,
        "--board",
        "mps2-an386",
        "--weights",
        "huffman",
    )
    assert outcome.code == 0, outcome.stderr
    assert "(no plan is smaller)" in outcome.stdout
    assert "huffman" in outcome.stdout
    assert 'OPS="' in outcome.stderr


def test_pack_refuses_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(b"not a model")
    assert hilbench("pack", path).code == 2


def test_flash_dry_run_touches_nothing() -> None:
    outcome = hilbench("flash", "--board", "nucleo-f746", "--dry-run")
    assert outcome.code == 0
    assert outcome.json["done"] is False


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("flash", "--board", "mps2-an386"), "nothing to flash"),
        (
            ("flash", "--board", "nucleo-f746", "--backend", "virtual", "--device", "x"),
            "--device chooses among connected boards",
        ),
        (("doctor", "--board", "nucleo"), "no board 'nucleo'"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...], text: str) -> None:
    outcome = hilbench(*arguments)
    assert outcome.code == 2
    assert text in outcome.stderr


def test_flash_refuses_an_elf_that_is_not_ours(tmp_path: Path) -> None:
    outcome = hilbench("flash", "--board", "nucleo-f746", "--firmware", sys.executable)
    assert outcome.code == 5
    assert "is not a hilbench firmware" in outcome.stderr
    assert hilbench("flash", "--board", "nucleo-f746", "--firmware", ROOT / "README.md").code == 2
