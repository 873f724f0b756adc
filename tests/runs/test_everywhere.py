"""The same model and vectors on every emulated board: equal outputs, exact counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import hilbench, require_module, require_shared, require_tool

from hilbench.store import open_bundle

QEMU_BOARDS = {
    "mps2-an385-m0": ("qemu-system-arm", "qemu-system-arm"),
    "mps2-an386": ("qemu-system-arm", "qemu-system-arm"),
    "mps2-an500": ("qemu-system-arm", "qemu-system-arm"),
    "mps3-an547": ("qemu-system-arm", "qemu-system-arm"),
    "rv32-virt": ("qemu-system-riscv32", "qemu-system-misc"),
}
BOARDS = ["nucleo-f746", *QEMU_BOARDS]
#: One simulated and one emulated board in every run of the suite, the others in the slow part.
QUICK = ("nucleo-f746", "mps2-an386")
EACH_BOARD = [
    board if board in QUICK else pytest.param(board, marks=pytest.mark.slow) for board in BOARDS
]

pytestmark = pytest.mark.emulated


def need(board: str) -> list[str]:
    """Arguments for a board, after skipping when its emulator is missing."""
    if board in QEMU_BOARDS:
        require_tool(*QEMU_BOARDS[board])
        return ["run", "--board", board]
    require_module("unicorn", "virtual")
    return ["run", "--board", board, "--backend", "virtual"]


def run(board: str, tmp_path: Path, *arguments: str | Path) -> dict:
    outcome = hilbench(*need(board), "--out", tmp_path, "--json", *arguments, timeout_s=300)
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["verdict"] == "valid", outcome.json["reasons"]
    return outcome.json


@pytest.mark.parametrize("board", EACH_BOARD)
@pytest.mark.parametrize("scheme", ["w8a8", pytest.param("f32", marks=pytest.mark.slow)])
def test_digits(board: str, scheme: str, tmp_path: Path) -> None:
    """All 450 vectors and both modes; the expected outputs are the reference interpreter's."""
    from hilbench import workloads

    model = workloads.get("digits").model_path(scheme)
    content = run(board, tmp_path, "--workload", "digits", "--model", model)
    metrics = content["metrics"]
    assert content["scheme"] == scheme
    assert metrics["output_mismatches"]["value"] == 0
    assert metrics["output_mismatches"]["n"] == 450 + 2 * 50
    assert metrics["top1"]["value"] >= 0.93
    assert metrics["top1"]["origin"] == "emulated"
    assert metrics["instructions_per_inference"]["value"] > 80_864 / 4  # its MACs, four at once
    assert metrics["instructions_per_inference"]["n"] == 50  # a repeat is no further sample
    assert not {"latency_s", "cycles_per_inference", "clock_hz"} & set(metrics)
    bundle = open_bundle(Path(content["bundle"]))
    expected, outputs = bundle.array("expected.npy"), bundle.array("outputs.npy")
    assert expected is not None
    assert outputs is not None
    assert outputs.tobytes() == expected.tobytes()


@pytest.mark.parametrize("board", EACH_BOARD)
@pytest.mark.parametrize("model", ["kws_int8", "ic_int8"])
def test_shared_models_equal_tflm(board: str, model: str, tmp_path: Path) -> None:
    """The recorded inputs give the recorded outputs of TensorFlow Lite Micro."""
    folder = require_shared("mlperf-tiny")
    vectors = [np.fromfile(folder / f"{model}_s{seed}.in.bin", np.int8) for seed in (1, 2, 3)]
    recorded = [np.fromfile(folder / f"{model}_s{seed}.out.bin", np.int8) for seed in (1, 2, 3)]
    inputs = tmp_path / "inputs.npy"
    np.save(inputs, np.stack(vectors))
    content = run(
        board, tmp_path, "--model", folder / f"{model}.tflite", "--inputs", inputs, "--repeat", "1",
        "--warmup", "0",
    )  # fmt: skip
    outputs = open_bundle(Path(content["bundle"])).array("outputs.npy")
    assert outputs is not None
    assert outputs.tolist() == np.stack(recorded).tolist()


def test_counts_are_identical_from_run_to_run_and_under_load(tmp_path: Path) -> None:
    """Two emulators at once beside a busy process: the same instruction counts as alone."""
    alone = windows(run("mps2-an386", tmp_path / "a", "--mode", "performance"))
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    command = [sys.executable, "-m", "hilbench", *need("mps2-an386"), "--mode", "performance"]
    try:
        others = [
            subprocess.Popen(
                [*command, "--out", str(tmp_path / name)],
                env=dict(os.environ),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name in ("b", "c")
        ]
        assert [process.wait(200) for process in others] == [0, 0]
    finally:
        busy.kill()
        busy.wait()
    for name in ("b", "c"):
        (folder,) = (tmp_path / name).iterdir()
        assert open_bundle(folder).rows("windows.csv") == alone


def windows(content: dict) -> list[dict[str, str]]:
    rows = open_bundle(Path(content["bundle"])).rows("windows.csv")
    assert rows
    return rows


@pytest.mark.parametrize(
    "model", ["digits", "kws_int8", pytest.param("ic_int8", marks=pytest.mark.slow)]
)
def test_virtual_counts_equal_qemus_to_the_last_instruction(model: str, tmp_path: Path) -> None:
    """nucleo-f746 and mps2-an500 run the same kernel objects."""
    arguments: list[str | Path] = ["--mode", "performance", "--repeat", "1", "--vectors", "3"]
    if model != "digits":
        arguments += ["--model", require_shared(f"mlperf-tiny/{model}.tflite")]
    counts = [
        [row["instructions"] for row in windows(run(board, tmp_path / board, *arguments))]
        for board in ("nucleo-f746", "mps2-an500")
    ]
    assert counts[0] == counts[1]


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_every_layer_equals_the_reference(board: str, tmp_path: Path) -> None:
    """The rehearsal of an acceptance run: every layer's CRC, the link's rates, 1,000 repeats."""
    backend = need(board)[3:]
    outcome = hilbench(
        "doctor", "--acceptance", "--board", board, *backend, "--out", tmp_path, "--json",
        env={"HILBENCH_STATE": str(tmp_path / "state")}, timeout_s=300,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    checks = open_bundle(Path(outcome.json["bundle"])).metrics["verdict"]["checks"]
    seen = {check["name"]: check["seen"] for check in checks}
    assert seen["layers"] == "90 layer outputs equal the host's reference"
    assert seen["windows"] == "1000 silent windows"
    assert not (tmp_path / "state").exists(), "only silicon is accepted"
    if board == "nucleo-f746":
        assert "Memory transfer fault" in seen["probe: unmapped flash"]
        rates = [name for name in seen if name.startswith("link at")]
        assert rates == [f"link at {baud:,} baud" for baud in (115200, 230400, 460800, 921600)]


def test_the_chip_says_its_supply_and_temperature(tmp_path: Path) -> None:
    """By the factory's calibration words, as on silicon; 31.0 degC and 3.28 V are simulated."""
    content = run("nucleo-f746", tmp_path, "--mode", "accuracy", "--vectors", "5")
    hello = open_bundle(Path(content["bundle"])).provenance["hello"]
    assert hello["temperature_mc"] == pytest.approx(31_000, abs=500)  # one step is 0.3 degC
    assert hello["vdd_mv"] == pytest.approx(3280, abs=3)


def test_missing_emulator_names_its_package(tmp_path: Path) -> None:
    outcome = hilbench(
        "run", "--board", "rv32-virt", "--out", tmp_path / "out", env={"PATH": "/nonexistent"}
    )
    assert outcome.code == 4
    assert "qemu-system-riscv32 is missing" in outcome.stderr
    assert "apt-get install qemu-system-misc" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_a_killed_qemu_run_leaves_neither_process_nor_file(tmp_path: Path) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "hilbench", *need("mps2-an386"), "--out", str(out)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not any(b"sample" in j.read_bytes() for j in out.glob("*/journal.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.01)
    emulators = _children(process.pid)
    process.kill()
    process.wait()
    assert emulators or any(out.glob("*/manifest.json"))
    while any(_runs(pid) for pid in emulators):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert list(temporary.iterdir()) == []


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """Whether a process is there, and is not a zombie that waits for its new parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
