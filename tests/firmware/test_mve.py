"""Kernels of the M-profile vector extension give the reference's bytes: their portable model here,
the kernels on QEMU."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from hilbench import models
from hilbench.models import Graph
from hilbench.models.graph import ConvOptions
from hilbench.schema import protocol as p
from tests.firmware import dsp_graphs, mve_graphs
from tests.firmware.dsp_graphs import Sweep, vectors
from tests.firmware.engine import Engine
from tests.firmware.qemu import running
from tests.firmware.test_dsp import layer_crcs

SWEEPS = {
    "conv": mve_graphs.conv_sweep,
    "conv int4": partial(mve_graphs.conv_sweep, kind=mve_graphs.Int4Sweep),
    "conv int16": partial(mve_graphs.conv_sweep, kind=mve_graphs.Int16Sweep),
    "flat int4": partial(mve_graphs.flat_sweep, kind=mve_graphs.Int4Sweep),
    "flat int16": partial(mve_graphs.flat_sweep, kind=mve_graphs.Int16Sweep),
    "depthwise": mve_graphs.depthwise_sweep,
    "depthwise int4": dsp_graphs.int4_depthwise_sweep,
    "flat": mve_graphs.flat_sweep,
    "pool": mve_graphs.pool_sweep,
    "add": mve_graphs.add_sweep,
    "chain": dsp_graphs.chain_sweep,
}
BOARD = "mps3-an547"
ISA = ("thumb2", "dsp", "mve")


def kernels_of(graph: Graph, isa: tuple[str, ...] = ISA) -> list[str]:
    return [op.kernel for op in models.pack(graph, isa=isa).ops]


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_model_of_the_kernels_is_exact(engine: Engine, sweep: str) -> None:
    graphs = [SWEEPS[sweep](seed) for seed in range(20)]
    kernels = [kernel for graph in graphs for kernel in kernels_of(graph)]
    assert kernels.count("mve") / len(kernels) > 0.9
    for seed, graph in enumerate(graphs):
        image = models.pack(graph, isa=ISA).data
        feeds = vectors(graph, seed)
        expected = models.run_reference(graph, feeds).outputs
        for vector, wanted in zip(feeds, expected, strict=True):
            assert engine.infer(image, vector.tobytes(), graph.output_bytes) == wanted.tobytes()


@pytest.mark.emulated
@pytest.mark.parametrize("seeds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_the_kernels_are_exact(seeds: int) -> None:
    with running(BOARD) as target:
        hello = target.line.ask(p.Hello(), p.HelloReply)
        assert hello.kernel_set & p.KernelSet.MVE
        for name, make in SWEEPS.items():
            for seed in range(1000, 1000 + seeds):
                graph = make(seed)
                feeds = vectors(graph, seed, count=3)
                expected = models.run_reference(graph, feeds, layers=True).layer_crc
                got = layer_crcs(target.line, models.pack(graph, isa=ISA).data, feeds)
                np.testing.assert_array_equal(got, expected, f"{name} {seed}")


def one_conv(channels: int = 4, shift: float = 6.0, dilation: int = 1) -> Graph:
    sweep = Sweep(np.random.default_rng(0), (1, 7, 7, 4))
    weights, bias = sweep.constants((channels, 3, 3, 4), 0, 36)
    scales = (2.0**-shift,) * channels
    sweep.tensors[weights] = replace(sweep.tensors[weights], scales=scales)
    size = 7 - 2 * dilation
    options = ConvOptions(False, dilation_h=dilation, dilation_w=dilation)
    output = sweep.output((1, size, size, channels))
    sweep.operator("CONV_2D", (0, weights, bias), output, options)
    return sweep.graph()


@pytest.mark.parametrize(
    ("graph", "kernel"),
    [
        (one_conv(), "mve"),
        (one_conv(channels=5), "mve"),
        (one_conv(shift=1.01), "mve"),
        (one_conv(shift=0.5), "canonical"),
        (one_conv(dilation=2), "canonical"),
    ],
    ids=["plain", "odd channels", "shift 1", "shift 0", "dilated"],
)
def test_what_is_not_exact_stays_canonical(graph: Graph, kernel: str) -> None:
    assert kernels_of(graph) == [kernel]


def test_without_the_extension_its_kernels_are_not_chosen() -> None:
    assert kernels_of(one_conv(), isa=("thumb2", "dsp")) == ["dsp"]
