"""Packed kernels give the reference's bytes: their portable model here, the kernels on QEMU."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import models
from hilbench.models import Graph
from hilbench.schema import protocol as p
from tests.firmware.dsp_graphs import (
    add_sweep,
    chain_sweep,
    conv_sweep,
    depthwise_sweep,
    flat_sweep,
    pool_sweep,
    vectors,
)
from tests.firmware.engine import Engine
from tests.firmware.line import Line, records
from tests.firmware.qemu import running

SWEEPS = {
    "conv": conv_sweep,
    "depthwise": depthwise_sweep,
    "flat": flat_sweep,
    "pool": pool_sweep,
    "add": add_sweep,
    "chain": chain_sweep,
}
BOARDS = ("mps2-an386", "mps2-an500", "mps3-an547")
ISA = ("thumb2", "dsp")


def share_packed(graphs: list[Graph]) -> float:
    kernels = [op.kernel for graph in graphs for op in models.pack(graph, isa=ISA).ops]
    return kernels.count("dsp") / len(kernels)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_model_of_the_kernels_is_exact(engine: Engine, sweep: str) -> None:
    graphs = [SWEEPS[sweep](seed) for seed in range(60)]
    assert share_packed(graphs) > 0.9
    for seed, graph in enumerate(graphs):
        image = models.pack(graph, isa=ISA).data
        feeds = vectors(graph, seed)
        expected = models.run_reference(graph, feeds).outputs
        for vector, wanted in zip(feeds, expected, strict=True):
            assert engine.infer(image, vector.tobytes(), graph.output_bytes) == wanted.tobytes()


def layer_crcs(line: Line, image: bytes, feeds: np.ndarray) -> np.ndarray:
    """CRC of every operator's output, (vectors, operators)."""
    assert line.upload(image).status == p.Status.OK
    out = line.stream(p.RunMode.LAYERS, feeds.tobytes(), feeds.shape[1])
    layers = [p.Layer.unpack(body) for kind, body in records(out) if kind == p.RecordKind.LAYER]
    return np.array([layer.crc for layer in layers], np.uint32).reshape(len(feeds), -1)


@pytest.mark.emulated
@pytest.mark.parametrize(
    "board",
    [b if b == "mps2-an386" else pytest.param(b, marks=pytest.mark.slow) for b in BOARDS],
)
def test_the_kernels_are_exact(board: str) -> None:
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        for name, make in SWEEPS.items():
            for seed in range(1000, 1006):
                graph = make(seed)
                feeds = vectors(graph, seed, count=3)
                expected = models.run_reference(graph, feeds, layers=True).layer_crc
                got = layer_crcs(target.line, models.pack(graph, isa=ISA).data, feeds)
                np.testing.assert_array_equal(got, expected, f"{name} {seed}")
