"""An engine of one model's kernels: its size as told, its size as built, and that it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, hilbench, require_shared, require_tool

from hilbench import models, workloads
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import load_firmware
from hilbench.boards.min_flash import engine_min_flash, library_bytes

BOARD = "mps2-an386"
#: Of the built engine; measured 0.8 %.
TOLERANCE = 0.02


def build(folder: Path, kernels: tuple[str, ...]) -> Path:
    """A firmware of these kernels, and its manifest."""
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    out = folder / "prebuilt"
    settings = [f"BUILD={folder / 'build'}", f"PREBUILT={out}", f"PYTHON={sys.executable}"]
    make = ["make", "-s", "-j2", "-C", str(ROOT / "firmware"), BOARD, *settings]
    (out / BOARD).mkdir(parents=True)
    subprocess.run([*make, f"OPS={' '.join(kernels)}"], check=True)
    return out / BOARD


def packed(path: Path, optimize: str = "size") -> models.Image:
    isa = find_board(load_catalogue(), BOARD).isa
    return models.pack(models.load(path), isa=isa, optimize=optimize)


def run_on(firmware: Path, folder: Path, *arguments: str) -> Any:
    """One inference on that firmware."""
    content = yaml.safe_load((ROOT / "boards.yaml").read_text())
    board = content["boards"][BOARD] | {"firmware": str(firmware)}
    catalogue = folder / "boards.yaml"
    catalogue.write_text(yaml.safe_dump({"version": 1, "boards": {BOARD: board}}))
    return hilbench(
        *("run", "--board", BOARD, "--mode", "accuracy", "--vectors", "1", "--json"),
        *("--out", folder / "out", *arguments),
        env={"HILBENCH_BOARDS": str(catalogue)},
    )


def test_what_is_told_of_kws() -> None:
    image = packed(require_shared("mlperf-tiny/kws_int8.tflite"))
    firmware = load_firmware(find_board(load_catalogue(), BOARD).firmware)
    told = firmware.min_flash(image.kernels)
    assert told is not None
    assert told <= 24_000
    assert firmware.engine_flash_bytes is not None
    assert told < firmware.engine_flash_bytes / 2


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.parametrize(
    ("name", "optimize"),
    [("kws_int8", "size"), ("ic_int8", "size"), ("ic_int8", "speed"), ("digits", "size")],
)
def test_a_build_is_as_large_as_told_and_runs_its_model(
    tmp_path: Path, name: str, optimize: str
) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    digits = workloads.get("digits").default_model
    path = digits if name == "digits" else require_shared(f"mlperf-tiny/{name}.tflite")
    image = packed(path, optimize)
    full = load_firmware(find_board(load_catalogue(), BOARD).firmware)
    told = engine_min_flash(full.elf, image.kernels)
    firmware = build(tmp_path, image.kernels)
    manifest = json.loads((firmware / "manifest.json").read_text())
    built = manifest["engine_flash_bytes"] + library_bytes(firmware / "firmware.elf")
    assert abs(told / built - 1) <= TOLERANCE, (told, built)
    outcome = run_on(firmware, tmp_path, "--model", str(path), "--optimize", optimize)
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"]["output_mismatches"]["value"] == 0


@pytest.mark.slow
@pytest.mark.emulated
def test_a_model_of_other_kernels_is_refused(tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    image = packed(workloads.get("digits").default_model)
    firmware = build(tmp_path, tuple(k for k in image.kernels if k != "softmax_s8_ref"))
    outcome = run_on(firmware, tmp_path)
    assert outcome.code == 5
    assert "refuses the image: image_op (record 8)" in outcome.stderr
