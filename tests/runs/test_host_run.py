"""Whole runs over the host-built agent: bundle, report, list, interruption and resumption."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Outcome, hear_interrupts, hilbench, require_shared
from tests.host_agent import HostAgent

from hilbench.models.graph import Graph, Operator, ReshapeOptions, Tensor
from hilbench.models.writer import write
from hilbench.store import open_bundle, read_journal
from hilbench.store.journal import encode_line


def run(agent: HostAgent, tmp_path: Path, *arguments: str | Path) -> Outcome:
    return hilbench(
        "run", "--board", "host", "--out", tmp_path / "results", *arguments, env=agent.env
    )


def only_bundle(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "results").iterdir()
    return folder


def test_run_leaves_a_bundle_that_says_the_same_as_json(
    host_agent: HostAgent, tmp_path: Path
) -> None:
    outcome = run(host_agent, tmp_path, "--json")
    assert outcome.code == 0, outcome.stderr
    content = outcome.json
    assert (content["board"], content["backend"], content["verdict"]) == ("host", "host", "valid")
    assert (content["workload"], content["scheme"]) == ("digits", "w8a8")
    top1 = content["metrics"]["top1"]
    assert top1["n"] == 450
    assert top1["low"] < top1["value"] < top1["high"]
    assert top1["value"] >= 0.93
    bundle = open_bundle(Path(content["bundle"]))
    rows = list(csv.DictReader(io.StringIO((bundle.folder / "samples.csv").read_text())))
    correct = sum(row["label"] == row["prediction"] for row in rows)
    assert correct / 450 == top1["value"]
    outputs = bundle.array("outputs.npy")
    assert outputs is not None
    assert (outputs.shape, outputs.dtype) == ((450, 10), np.dtype("int8"))
    assert [int(row["prediction"]) for row in rows] == outputs.argmax(axis=1).tolist()
    again = hilbench("report", content["bundle"], "--json")
    assert again.json == content
    listed = hilbench("ls", tmp_path / "results", "--json").json
    assert [(row["run"], row["state"]) for row in listed] == [(content["run"], "valid")]


def test_report_regenerates_the_same_page(host_agent: HostAgent, tmp_path: Path) -> None:
    assert run(host_agent, tmp_path, "--vectors", "20", "--mode", "accuracy").code == 0
    folder = only_bundle(tmp_path)
    page = tmp_path / "page.html"
    assert hilbench("report", folder, "--html", page).code == 0
    assert page.read_text() == (folder / "report.html").read_text()


def test_altered_bundle_is_refused(host_agent: HostAgent, tmp_path: Path) -> None:
    assert run(host_agent, tmp_path, "--vectors", "5", "--mode", "accuracy").code == 0
    folder = only_bundle(tmp_path)
    (folder / "metrics.json").write_text((folder / "metrics.json").read_text().replace("1", "2", 1))
    outcome = hilbench("report", folder)
    assert outcome.code == 2
    assert "metrics.json was altered" in outcome.stderr


def test_dry_run_touches_nothing(host_agent: HostAgent, tmp_path: Path) -> None:
    outcome = run(host_agent, tmp_path, "--dry-run")
    assert outcome.code == 0
    assert outcome.json["workload"]["vectors"] == 450
    assert outcome.json["modes"] == ["accuracy", "performance"]
    assert not (tmp_path / "results").exists()


def test_random_vectors_and_seed(host_agent: HostAgent, tmp_path: Path) -> None:
    model = require_shared("mlperf-tiny/kws_int8.tflite")
    plans = [
        run(host_agent, tmp_path, "--model", model, "--seed", seed, "--dry-run").json
        for seed in ("1", "1", "2")
    ]
    digests = [plan["workload"]["digest"] for plan in plans]
    assert digests[0] == digests[1] != digests[2]
    assert plans[0]["workload"]["vectors"] == 10


def test_own_vectors_and_labels(host_agent: HostAgent, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    lines = []
    for i in range(4):
        np.full(64, i, np.int8).tofile(folder / f"{i}.bin")
        lines.append(f"{i}.bin,{i}")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "\n".join(lines) + "\n")
    common = ("--workload", "digits", "--inputs", folder, "--labels", labels, "--mode", "accuracy")
    outcome = run(host_agent, tmp_path, *common, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"]["top1"]["n"] == 4
    (folder / "2.bin").write_bytes(b"short")
    outcome = run(host_agent, tmp_path, *common)
    assert outcome.code == 2
    assert "2.bin" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--board", "nucleo"), "no board 'nucleo'"),
        (("--board", "host", "--backend", "qemu"), "no backend 'qemu'"),
        (("--board", "host", "--workload", "cats"), "cats"),
        (("--board", "host", "--model", "absent.tflite"), "absent.tflite"),
        (("--board", "host", "--vectors", "0"), "--vectors"),
        (("--board", "host", "--repeat", "0"), "--repeat"),
        (("--board", "host", "--repeat", "65536"), "--repeat"),
        (("--board", "host", "--warmup", "65536"), "--warmup"),
        (("--board", "host", "--seed", "-1"), "--seed"),
        (("--board", "host", "--deadline", "0"), "--deadline"),
        (("--board", "host", "--deadline", "nan"), "--deadline"),
        (("--board", "host", "--device", "x"), "--device"),
        (("--board", "host", "--labels", "x.csv"), "--labels goes with --inputs"),
    ],
)
def test_usage_errors_exit_2(
    host_agent: HostAgent, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    outcome = hilbench("run", *arguments, "--out", tmp_path / "out", env=host_agent.env)
    assert outcome.code == 2
    assert text in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_energy_without_an_instrument_is_blocked(host_agent: HostAgent, tmp_path: Path) -> None:
    outcome = run(host_agent, tmp_path, "--mode", "energy")
    assert outcome.code == 4
    assert "instrument" in outcome.stderr


def test_quality_target(host_agent: HostAgent, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{i}.bin,{i}\n" for i in range(4)))
    outcome = run(host_agent, tmp_path, "--mode", "accuracy", "--vectors", "20", "--require-target")
    assert outcome.code == 0  # the first 20 digits are easy


def test_outputs_that_exceed_the_out_buffer_are_named_as_such(
    host_agent: HostAgent, tmp_path: Path
) -> None:
    quantized = {"scales": (0.5,), "zero_points": (0,)}
    wide = [Tensor(name, (1, 1 << 16), "int8", **quantized) for name in ("in", "out")]
    reshape = Operator("RESHAPE", (0,), (1,), ReshapeOptions((1, 1 << 16)))
    model = tmp_path / "wide.tflite"
    model.write_bytes(write(Graph(tuple(wide), (reshape,), (0,), (1,))))
    outcome = run(host_agent, tmp_path, "--model", model, "--vectors", "1")
    assert outcome.code == 2
    assert "one vector's outputs exceed the device's out buffer by" in outcome.stderr


def test_labels_of_a_model_with_two_outputs_are_refused(
    host_agent: HostAgent, tmp_path: Path
) -> None:
    """Its classes would be looked for in both outputs, end to end."""
    quantized = {"scales": (0.5,), "zero_points": (0,)}
    tensors = tuple(Tensor(name, (1, 4), "int8", **quantized) for name in "abc")
    reshapes = tuple(Operator("RESHAPE", (0,), (i,), ReshapeOptions((1, 4))) for i in (1, 2))
    model, inputs, labels = (tmp_path / name for name in ("two.tflite", "x.npy", "labels.csv"))
    model.write_bytes(write(Graph(tensors, reshapes, (0,), (1, 2))))
    np.save(inputs, np.eye(4, dtype=np.int8))
    labels.write_text("a,0\nb,1\nc,2\nd,3\n")
    arguments = ("--model", model, "--inputs", inputs)
    assert run(host_agent, tmp_path, *arguments).code == 0
    outcome = run(host_agent, tmp_path, *arguments, "--labels", labels)
    assert outcome.code == 2
    assert "labels go with one output, the model has 2" in outcome.stderr


# ---------------------------------------------------------------- interruption


def start(agent: HostAgent, tmp_path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hilbench", "run", "--board", "host", *arguments]
    return subprocess.Popen(
        [*command, "--out", str(tmp_path / "results"), "--mode", "accuracy"],
        env={**os.environ, **agent.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )


def wait_for_samples(tmp_path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        for journal in (tmp_path / "results").glob("*/journal.jsonl"):
            if journal.read_bytes().count(b'"sample"') >= count:
                return
        time.sleep(0.002)


def resume(agent: HostAgent, folder: Path) -> Outcome:
    return hilbench("resume", folder, "--json", env=agent.env)


def eventually_gone(program: Path, within_s: float = 5.0) -> bool:
    """Whether no process of this program is left."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not any(_runs(entry, program) for entry in Path("/proc").glob("[0-9]*")):
            return True
        time.sleep(0.05)
    return False


def _runs(entry: Path, program: Path) -> bool:
    try:
        return str(program).encode() in (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.mark.parametrize("samples", [0, 1, 40, 200, 449])
def test_kill_9_loses_nothing_and_counts_nothing_twice(
    host_agent: HostAgent, tmp_path: Path, samples: int
) -> None:
    process = start(host_agent, tmp_path)
    wait_for_samples(tmp_path, samples, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert eventually_gone(host_agent.program)
    folder = only_bundle(tmp_path)
    if open_bundle(folder, verify=False).sealed:
        assert hilbench("report", folder).code == 0
        return
    recorded = [e for e in read_journal(folder) if e["event"] == "sample"]
    left = hilbench("resume", folder, "--dry-run", env=host_agent.env).json
    assert left == {"accuracy": {"done": len(recorded), "vectors": 450}}
    outcome = resume(host_agent, folder)
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"]["top1"]["n"] == 450
    assert outcome.json["metrics"]["output_mismatches"]["value"] == 0
    after = [e for e in open_bundle(folder).journal() if e["event"] == "sample"]
    assert after[: len(recorded)] == recorded
    assert sorted(e["v"] for e in after) == list(range(450))


def test_what_the_image_may_spend_is_resumed_too(host_agent: HostAgent, tmp_path: Path) -> None:
    process = start(host_agent, tmp_path, "--optimize", "speed")
    wait_for_samples(tmp_path, 1, process)
    process.kill()
    process.wait()
    folder = only_bundle(tmp_path)
    if not open_bundle(folder, verify=False).sealed:
        outcome = resume(host_agent, folder)
        assert outcome.code == 0, outcome.stderr
    assert open_bundle(folder).plan["subject"]["optimize"] == "speed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_kin_exit_130_and_can_be_resumed(
    host_agent: HostAgent, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(host_agent, tmp_path)
    wait_for_samples(tmp_path, 30, process)
    os.killpg(process.pid, number)
    assert process.wait(20) in (130, 0)
    folder = only_bundle(tmp_path)
    if process.returncode == 130:
        listed = hilbench("ls", tmp_path / "results", "--json").json
        assert listed[0]["state"] == "interrupted"
        assert hilbench("report", folder).code == 2
        assert resume(host_agent, folder).code == 0
    assert open_bundle(folder).sealed


@pytest.fixture
def interrupted(host_agent: HostAgent, tmp_path: Path) -> Path:
    """The folder of a run that was killed after some samples, and before its end."""
    process = start(host_agent, tmp_path)
    wait_for_samples(tmp_path, 10, process)
    process.kill()
    process.wait()
    folder = only_bundle(tmp_path)
    if open_bundle(folder, verify=False).sealed:
        pytest.skip("the run was faster than the kill")
    return folder


@pytest.mark.parametrize("name", ["inputs.npy", "expected.npy", "labels.npy"])
def test_a_run_whose_files_were_altered_is_not_resumed(
    host_agent: HostAgent, interrupted: Path, name: str
) -> None:
    path = interrupted / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    outcome = resume(host_agent, interrupted)
    assert outcome.code == 2
    assert "altered" in outcome.stderr


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"facts": {"ticks": "cycles", "time_base": "real", "silicon": True}}, "(facts)"),
        ({"ticks_to_instructions": [1, 2]}, "(ticks_to_instructions)"),
        ({"modes": 3}, "is damaged"),
    ],
)
def test_a_run_whose_plan_was_altered_is_not_resumed(
    host_agent: HostAgent, interrupted: Path, changes: dict[str, object], text: str
) -> None:
    path = interrupted / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    outcome = resume(host_agent, interrupted)
    assert outcome.code == 2
    assert text in outcome.stderr


def test_another_device_does_not_go_on_with_a_run(host_agent: HostAgent, interrupted: Path) -> None:
    journal = interrupted / "journal.jsonl"
    events = read_journal(interrupted)
    for event in events:
        if event["event"] == "attested":
            event["hello"]["unique_id"] = "0123456789ab"
    journal.write_bytes(b"".join(encode_line(event) for event in events))
    outcome = resume(host_agent, interrupted)
    assert outcome.code == 5
    assert "the run began on 0123456789ab" in outcome.stderr


def test_a_sealed_run_cannot_be_resumed(host_agent: HostAgent, tmp_path: Path) -> None:
    assert run(host_agent, tmp_path, "--vectors", "5", "--mode", "accuracy").code == 0
    outcome = resume(host_agent, only_bundle(tmp_path))
    assert outcome.code == 2
    assert "is complete" in outcome.stderr


def test_read_only_results_folder(host_agent: HostAgent, tmp_path: Path) -> None:
    target = Path("/proc/1/results")  # nobody can write there, not even root
    outcome = hilbench("run", "--board", "host", "--out", target, env=host_agent.env)
    assert outcome.code == 74
    assert "cannot be written" in outcome.stderr
