"""hilbench debug: the first layer, channel and element that differ, on boards that are wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.conftest import ROOT, Outcome, hilbench, require_module, require_tool

from hilbench import models, workloads
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.models.image_reader import read_image

pytestmark = pytest.mark.emulated


def debug(tmp_path: Path, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
    return hilbench("debug", *arguments, "--out", tmp_path / "out", "--json", env=env or {})


def test_a_right_board_has_no_difference(tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    outcome = debug(tmp_path, "--board", "mps2-an386", "--vectors", "2")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["equal"]
    assert (outcome.json["vectors"], outcome.json["operators"]) == (2, 9)


def test_a_weight_that_changed_in_flash(tmp_path: Path) -> None:
    """One bit of one weight of operator 4 flips after the image was validated."""
    require_module("unicorn", "virtual")
    board = find_board(load_catalogue(), "nucleo-f746")
    graph = models.load(workloads.get("digits").default_model)
    image = read_image(models.pack(graph, isa=board.isa).data)
    stream = image.tensors[image.ops[4].inputs[1]]
    address = board.image_slot.address + stream.offset + 4 * 12
    faults = {"flash_decay": {hex(address): 0x40}, "flash_decay_after": 200}
    outcome = debug(
        tmp_path,
        *("--board", "nucleo-f746", "--backend", "virtual"),
        env={"HILBENCH_VIRTUAL_FAULTS": json.dumps(faults)},
    )
    assert outcome.code == 3, outcome.stderr
    found = outcome.json["difference"]
    assert (found["operator"], found["name"], found["kernel"]) == (4, "CONV_2D", "dsp")
    assert found["channels"] == [0]
    assert found["image"].startswith("changed since it was validated")
    assert "operator 4 (CONV_2D, kernel dsp)" in outcome.stderr
    assert_values_are_kept(outcome, graph)


def assert_values_are_kept(outcome: Outcome, graph: models.Graph) -> None:
    """Both outputs are in the bundle; the first difference is where it is said to be."""
    found, folder = outcome.json["difference"], Path(outcome.json["bundle"])
    device = np.load(folder / "difference-device.npy")
    reference = np.load(folder / "difference-reference.npy")
    vectors = np.load(folder / "inputs.npy")
    tensor = graph.operators[found["operator"]].outputs[0]
    again = models.run_tensors(graph, vectors[found["vector"]][None])[tensor][0]
    np.testing.assert_array_equal(reference, again)
    assert found["differing"] == int((device != reference).sum())
    first = tuple(found["first"]["index"])
    assert device[first] == found["first"]["device"]
    assert reference[first] == found["first"]["reference"]


@dataclass(frozen=True)
class Plant:
    """A bug in the sources: in ``file``, ``old`` becomes ``new``."""

    file: str
    old: str
    new: str
    operator: int
    name: str


PLANTS = {
    "wrong zero point at the input, first layer": Plant(
        "engine/kernels/ref/hb_conv_2d_s8xs8_ref.c",
        "p->input_offset, acc);",
        "p->input_offset + 1, acc);",
        0,
        "CONV_2D",
    ),
    "wrong channel, a middle layer": Plant(
        "engine/kernels/ref/hb_depthwise_conv_2d_s8xs8_ref.c",
        "    acc = hb_requantize(",
        "    if (channel == 5) acc += 4000;\n    acc = hb_requantize(",
        1,
        "DEPTHWISE_CONV_2D",
    ),
    "one flipped element, the last layer": Plant(
        "engine/kernels/ref/hb_softmax_s8_ref.c",
        "void hb_softmax_s8_ref(const struct hb_softmax_args *args) {",
        "static void softmax(const struct hb_softmax_args *args);\n"
        "void hb_softmax_s8_ref(const struct hb_softmax_args *args) {\n"
        "    softmax(args);\n"
        "    ((int8_t *)args->output)[3] ^= 1;\n"
        "}\n"
        "static void softmax(const struct hb_softmax_args *args) {",
        8,
        "SOFTMAX",
    ),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    require_tool("qemu-system-arm", "qemu-system-arm")
    folder = tmp_path_factory.mktemp("sources") / "firmware"
    ignore = shutil.ignore_patterns("build", "prebuilt")
    return Path(shutil.copytree(ROOT / "firmware", folder, ignore=ignore))


def build(sources: Path, plant: Plant) -> Path:
    """A firmware of mps2-an386 with the bug, without packed kernels; its catalogue."""
    path = sources / plant.file
    original = path.read_text()
    assert original.count(plant.old) >= 1, f"{plant.file} no longer holds {plant.old!r}"
    path.write_text(original.replace(plant.old, plant.new))
    out = sources.parent / "planted"
    try:
        settings = [f"PREBUILT={out}", "KERNEL_LEVEL=-O1", f"PYTHON={sys.executable}"]
        (out / "mps2-an386").mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["make", "-s", "-j2", "-C", str(sources), "mps2-an386", *settings], check=True
        )
    finally:
        path.write_text(original)
    content: dict[str, Any] = yaml.safe_load((ROOT / "boards.yaml").read_text())
    board = content["boards"]["mps2-an386"]
    board |= {"firmware": str(out / "mps2-an386"), "isa": ["thumb2"]}
    catalogue = sources.parent / "boards.yaml"
    catalogue.write_text(yaml.safe_dump({"version": 1, "boards": {"mps2-an386": board}}))
    return catalogue


@pytest.mark.slow
@pytest.mark.parametrize("case", PLANTS)
def test_a_planted_bug_is_found_where_it_is(tmp_path: Path, sources: Path, case: str) -> None:
    plant = PLANTS[case]
    catalogue = build(sources, plant)
    outcome = debug(
        tmp_path,
        *("--board", "mps2-an386", "--vectors", "2"),
        env={"HILBENCH_BOARDS": str(catalogue)},
    )
    assert outcome.code == 3, outcome.stderr
    found = outcome.json["difference"]
    assert (found["operator"], found["name"]) == (plant.operator, plant.name)
    assert found["image"].startswith("intact")
    if "one flipped element" in case:
        assert (found["differing"], found["first"]["index"]) == (1, [0, 3])
        assert found["first"]["device"] == found["first"]["reference"] ^ 1
    elif "wrong channel" in case:
        assert found["channels"] == [5]
    else:
        assert found["differing"] > found["elements"] // 8
    assert_values_are_kept(outcome, models.load(workloads.get("digits").default_model))
