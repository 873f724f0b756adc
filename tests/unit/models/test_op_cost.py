"""Estimated instructions: of a network that no fit has seen, against the board's own counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.counted_board import counted_board
from tests.conftest import hilbench, require_tool

from hilbench import models, workloads
from hilbench.bench.plan import RunOptions, resolve
from hilbench.boards import load_catalogue
from hilbench.models import op_cost, writer
from hilbench.schemes.export import float_graph
from hilbench.schemes.layers import AveragePool, Conv2D, Dense, Depthwise
from hilbench.schemes.network import Network
from hilbench.schemes.post_training import quantize

#: Shapes that the table was not fitted to.
UNSEEN = Network(
    "unseen",
    (12, 12, 2),
    (
        Conv2D(20),
        Depthwise(),
        Conv2D(28, (1, 1)),
        Depthwise((3, 3), (2, 2)),
        Conv2D(36, (1, 1)),
        AveragePool(),
        Dense(6),
    ),
)


@pytest.mark.emulated
@pytest.mark.parametrize("kind", ["f32", "w8a8"])
def test_an_unseen_model_is_within_the_error_that_is_quoted(kind: str, tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    graph = float_graph(UNSEEN, UNSEEN.initial(1))
    if kind == "w8a8":
        values = np.random.default_rng(0).standard_normal((20, 12, 12, 2)).astype(np.float32)
        graph = quantize(graph, values)
    path = tmp_path / "unseen.tflite"
    path.write_bytes(writer.write(graph))
    plan = resolve(RunOptions(board="mps2-an386", model=path, vectors=1))
    with counted_board(plan) as board:
        counted = board.inference().plain
    estimated = op_cost.estimate_image(plan.image, "dsp")
    assert estimated is not None
    assert abs(estimated / counted - 1) <= op_cost.quality("dsp")["worst_error"]


@pytest.mark.parametrize("board", ["mps2-an386", "mps3-an547", "mps2-an385-m0", "rv32-virt"])
def test_every_operator_of_the_shipped_models_has_an_estimate(board: str) -> None:
    isa = load_catalogue()[board].isa
    for name in workloads.names():
        for scheme in workloads.get(name).schemes:
            path = workloads.get(name).model_path(scheme)
            image = models.pack(models.load(path), isa=isa)
            layers = op_cost.estimate_layers(image, op_cost.group_of(isa))
            assert None not in layers, [op.work.kind for op in image.ops]
            assert op_cost.estimate_image(image, op_cost.group_of(isa)) == sum(layers)  # type: ignore[arg-type]


def test_what_was_never_counted_has_no_estimate() -> None:
    image = models.pack(models.load(workloads.get("digits").model_path("w8a8")), isa=("dsp",))
    assert op_cost.group_of(("thumb2",)) is None
    assert op_cost.estimate(image.ops[0].work, None) is None
    unknown = replace(image.ops[0].work, kind="CONV_2D dsp int8xint2")
    assert op_cost.estimate(unknown, "dsp") is None
    coded = replace(image, ops=(replace(image.ops[0], storage="huffman"), *image.ops[1:]))
    assert op_cost.estimate_image(coded, "dsp") is None


def test_pack_shows_estimates_as_estimates() -> None:
    model = workloads.get("digits").model_path("w8a8")
    packed = hilbench("pack", model, "--board", "mps2-an386", "--json").json
    ops = packed["ops"]
    assert packed["estimated_instructions"] == sum(op["estimated_instructions"] for op in ops)
    assert sum(op["share"] for op in ops) == pytest.approx(1)
    pools = [op for op in ops if op["name"] == "AVERAGE_POOL_2D"]
    assert pools[0]["macs"] == 0
    assert pools[0]["share"] > 0
    shown = hilbench("pack", model, "--board", "mps2-an386").stdout
    assert "instructions are estimated, not counted" in shown
    without = hilbench("pack", model).stdout
    assert "estimated" not in without
    assert "MACs" in without
