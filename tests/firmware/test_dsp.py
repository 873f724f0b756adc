"""Packed kernels give the reference's bytes: their portable model here, the kernels on QEMU."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from hilbench import models
from hilbench.models import Graph
from hilbench.schema import protocol as p
from tests.firmware import mve_graphs
from tests.firmware.dsp_graphs import (
    add_sweep,
    chain_sweep,
    conv_sweep,
    depthwise_sweep,
    flat_sweep,
    int4_depthwise_sweep,
    pool_sweep,
    vectors,
    winograd_sweep,
)
from tests.firmware.engine import Engine
from tests.firmware.line import Line, records
from tests.firmware.qemu import running

SWEEPS = {
    "conv": conv_sweep,
    "depthwise": depthwise_sweep,
    "depthwise int4": int4_depthwise_sweep,
    "flat": flat_sweep,
    "pool": pool_sweep,
    "pools": partial(mve_graphs.pool_sweep, quad=True),
    "add": add_sweep,
    "chain": chain_sweep,
    "winograd": winograd_sweep,
}
BOARDS = ("mps2-an386", "mps2-an500", "mps3-an547")
ISA = ("thumb2", "dsp")


#: Kernels of the sweeps, and at least which share of the operators they take; others take the rest.
KERNELS = dict.fromkeys(SWEEPS, ("dsp", 0.9)) | {"winograd": ("dsp_winograd", 0.5)}


def packed(graph: Graph, sweep: str) -> models.Image:
    return models.pack(graph, isa=ISA, optimize="speed" if sweep == "winograd" else "size")


def share_packed(graphs: list[Graph], sweep: str) -> float:
    kernels = [op.kernel for graph in graphs for op in packed(graph, sweep).ops]
    return kernels.count(KERNELS[sweep][0]) / len(kernels)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_model_of_the_kernels_is_exact(engine: Engine, sweep: str) -> None:
    graphs = [SWEEPS[sweep](seed) for seed in range(60)]
    assert share_packed(graphs, sweep) > KERNELS[sweep][1]
    for seed, graph in enumerate(graphs):
        image = packed(graph, sweep).data
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


@pytest.mark.slow
def test_the_model_of_winograd_is_exact_for_many_more(engine: Engine) -> None:
    for seed in range(2000, 2100):
        graph = winograd_sweep(seed, operators=4)
        feeds = vectors(graph, seed)
        expected = models.run_reference(graph, feeds).outputs
        image = packed(graph, "winograd").data
        for vector, wanted in zip(feeds, expected, strict=True):
            got = engine.infer(image, vector.tobytes(), graph.output_bytes)
            assert got == wanted.tobytes(), seed


@pytest.mark.emulated
@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_winograd_is_exact_for_many_more(board: str) -> None:
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        for seed in range(3000, 3010):
            graph = winograd_sweep(seed, operators=4)
            feeds = vectors(graph, seed, count=3)
            expected = models.run_reference(graph, feeds, layers=True).layer_crc
            image = packed(graph, "winograd").data
            np.testing.assert_array_equal(
                layer_crcs(target.line, image, feeds), expected, f"{seed}"
            )


def check_board(board: str, seeds: range) -> None:
    """Every sweep's networks on a board: each layer's bytes are the reference's."""
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        for name, make in SWEEPS.items():
            for seed in seeds:
                graph = make(seed)
                feeds = vectors(graph, seed, count=3)
                expected = models.run_reference(graph, feeds, layers=True).layer_crc
                got = layer_crcs(target.line, packed(graph, name).data, feeds)
                np.testing.assert_array_equal(got, expected, f"{name} {seed}")


@pytest.mark.emulated
def test_the_kernels_are_exact() -> None:
    check_board("mps2-an386", range(1000, 1001))


@pytest.mark.emulated
@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_the_kernels_are_exact_over_many_networks(board: str) -> None:
    check_board(board, range(1000, 1006))
