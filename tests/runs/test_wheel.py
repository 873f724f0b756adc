"""The wheel, installed outside the clone: it is whole, it runs, and its base is free of GPL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import ROOT, Outcome, require_tool

pytestmark = pytest.mark.slow

BOARDS = (
    "nucleo-f746",
    "mps2-an385-m0",
    "mps2-an386",
    "mps2-an500",
    "mps3-an547",
    "rv32-virt",
)
SHIPPED = (
    "hilbench/data/boards.yaml",
    *(f"hilbench/data/prebuilt/{board}/firmware.elf" for board in BOARDS),
    *(f"hilbench/data/prebuilt/{board}/manifest.json" for board in BOARDS),
    "hilbench/backends/flash_algorithms/stm32f746.elf",
    "hilbench/backends/virtual/registers.toml",
    "hilbench/backends/virtual/counter.c",
    "hilbench/backends/virtual/transfers.h",
    "hilbench/reports/templates/report.html.j2",
    "hilbench/schema/protocol.toml",
    "hilbench/workloads/data/digits.npz",
    "hilbench/workloads/data/digits_w8a8.tflite",
    "hilbench/workloads/data/anomaly_w8a8.tflite",
    "hilbench/workloads/data/kws-synthetic_w8a8.tflite",
    "hilbench/workloads/data/mnist5k_w8a8.tflite",
    "hilbench/workloads/data/motion_w8a8.tflite",
    "hilbench/workloads/data/digits_f32.tflite",
    "hilbench/py.typed",
)


@dataclass(frozen=True)
class Environment:
    """A clean virtual environment outside the clone, and an empty folder to run in."""

    folder: Path

    def run(self, program: str, *arguments: str | Path, cwd: Path | None = None) -> Outcome:
        names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        process = subprocess.run(
            [str(self.folder / "bin" / program), *map(str, arguments)],
            cwd=cwd,
            env={k: v for k, v in os.environ.items() if k not in names},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Outcome(process.returncode, process.stdout, process.stderr)

    def install(self, *requirements: str) -> None:
        outcome = self.run("python", "-m", "pip", "install", "--quiet", *requirements)
        assert outcome.code == 0, outcome.stderr

    def packages(self) -> set[str]:
        listed = self.run("python", "-m", "pip", "list", "--format", "json").json
        return {entry["name"].lower() for entry in listed}


def create(folder: Path) -> Environment:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    return Environment(folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    built = subprocess.run(
        [*command, str(ROOT)], capture_output=True, text=True, timeout=600, check=False
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("hilbench-*.whl")
    return path


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = create(tmp_path_factory.mktemp("base") / "venv")
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="module")
def virtual(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = create(tmp_path_factory.mktemp("virtual") / "venv")
    environment.install(f"{wheel}[virtual]")
    return environment


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert set(SHIPPED) <= names
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        licences = metadata.replace("METADATA", "licenses/")
        assert {f"{licences}LICENSE", f"{licences}NOTICE"} <= names
        for name in SHIPPED:
            assert archive.getinfo(name).file_size or name.endswith("py.typed"), name
        text = archive.read(metadata).decode()
    foreign = [n for n in names if not n.startswith(("hilbench/", "hilbench-"))]
    assert foreign == []
    assert not [name for name in names if "/tests/" in name or name.endswith((".pyc", ".o"))]
    assert "License-Expression: Apache-2.0" in text


def test_boards_from_anywhere(base: Environment, tmp_path: Path) -> None:
    outcome = base.run("hilbench", "boards", "--json", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert tuple(row["board"] for row in outcome.json) == BOARDS
    assert not any(row["silicon_tested"] for row in outcome.json)
    assert list(tmp_path.iterdir()) == []


def test_base_is_free_of_gpl_and_says_what_is_missing(base: Environment, tmp_path: Path) -> None:
    assert "unicorn" not in base.packages()
    outcome = base.run("hilbench", "run", "--board", "nucleo-f746", "--backend", "virtual",
                       cwd=tmp_path)  # fmt: skip
    assert outcome.code == 4
    assert "pip install 'hilbench[virtual]'" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.emulated
def test_virtual_board_from_the_wheel(virtual: Environment, tmp_path: Path) -> None:
    assert "unicorn" in virtual.packages()
    check_run(virtual, tmp_path, "nucleo-f746", "--backend", "virtual")


@pytest.mark.emulated
def test_qemu_from_the_wheel_without_extras(base: Environment, tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    check_run(base, tmp_path, "mps2-an386")


def check_run(environment: Environment, folder: Path, board: str, *arguments: str) -> None:
    outcome = environment.run(
        "hilbench", "run", "--board", board, *arguments, "--vectors", "50", "--json", cwd=folder
    )
    assert outcome.code == 0, outcome.stderr
    content = outcome.json
    assert (content["board"], content["verdict"]) == (board, "valid")
    assert content["metrics"]["top1"]["n"] == 50
    assert content["metrics"]["output_mismatches"]["value"] == 0
    assert (folder / content["bundle"] / "report.html").stat().st_size > 20_000
    again = environment.run("hilbench", "report", content["bundle"], "--json", cwd=folder)
    assert again.json == content


@pytest.mark.parametrize("extra", ["virtual", "all"])
def test_extras_resolve(wheel: Path, base: Environment, tmp_path: Path, extra: str) -> None:
    """What the resolver would install here; oracles only where they exist."""
    report = tmp_path / "report.json"
    outcome = base.run(
        "python", "-m", "pip", "install", "--quiet", "--dry-run", "--report", report,
        f"{wheel}[{extra}]",
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    found = json.loads(report.read_text())
    names = {entry["metadata"]["name"].lower().replace("_", "-") for entry in found["install"]}
    assert "unicorn" in names
    here = found["environment"]
    has_oracles = (here["sys_platform"], here["platform_machine"]) == ("linux", "x86_64")
    oracles = {"tflite-micro", "ai-edge-litert"}
    assert names & oracles == (oracles if extra == "all" and has_oracles else set())


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "aarch64")]
)
def test_markers_leave_the_oracles_out_elsewhere(wheel: Path, system: str, machine: str) -> None:
    """The requirements of `all` as another platform's resolver reads them."""
    from packaging.requirements import Requirement

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    wanted = [Requirement(line.split(":", 1)[1]) for line in lines if line[:13] == "Requires-Dist"]
    elsewhere = {"sys_platform": system, "platform_machine": machine, "extra": "all"}
    names = {r.name for r in wanted if r.marker is None or r.marker.evaluate(elsewhere)}
    assert {"numpy", "pyocd", "unicorn"} <= names
    assert not names & {"tflite-micro", "ai-edge-litert"}
