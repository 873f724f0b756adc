"""Kernels of Armv6-M and RV32IM give the reference's bytes: on the host, and on QEMU."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import models
from hilbench.models import thumb1
from hilbench.models.graph import Graph
from hilbench.quantization import multiply_by_quantized_multiplier
from hilbench.schema import image
from hilbench.schema import protocol as p
from tests.firmware import mve_graphs
from tests.firmware.engine import Engine
from tests.firmware.mve_graphs import Int4Sweep
from tests.firmware.qemu import running
from tests.firmware.test_dsp import SWEEPS as DSP_SWEEPS
from tests.firmware.test_dsp import layer_crcs, vectors
from tests.firmware.thumb1_graphs import Int16Sweep, odd_conv_sweep, odd_flat_sweep, taps_sweep

SWEEPS = {
    **DSP_SWEEPS,
    "odd conv": odd_conv_sweep,
    "odd flat": odd_flat_sweep,
    "taps": taps_sweep,
    "conv int4": partial(mve_graphs.conv_sweep, kind=Int4Sweep),
    "conv int16": partial(mve_graphs.conv_sweep, kind=Int16Sweep),
    "flat int4": partial(mve_graphs.flat_sweep, kind=Int4Sweep),
    "flat int16": partial(mve_graphs.flat_sweep, kind=Int16Sweep),
}
BOARDS = {"mps2-an385-m0": "thumb1", "rv32-virt": "rv32im"}


def share_packed(graphs: list[Graph]) -> float:
    kernels = [op.kernel for graph in graphs for op in models.pack(graph, isa=("thumb1",)).ops]
    return kernels.count("thumb1") / len(kernels)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_portable_kernels_are_exact(engine: Engine, sweep: str) -> None:
    graphs = [SWEEPS[sweep](seed) for seed in range(20)]
    assert share_packed(graphs) > 0.9
    for seed, graph in enumerate(graphs):
        packed = models.pack(graph, isa=("thumb1",)).data
        feeds = vectors(graph, seed)
        expected = models.run_reference(graph, feeds).outputs
        for vector, wanted in zip(feeds, expected, strict=True):
            assert engine.infer(packed, vector.tobytes(), graph.output_bytes) == wanted.tobytes()


def check_board(board: str, seeds: range) -> None:
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        for name, make in SWEEPS.items():
            for seed in seeds:
                graph = make(seed)
                feeds = vectors(graph, seed, count=3)
                expected = models.run_reference(graph, feeds, layers=True).layer_crc
                packed = models.pack(graph, isa=(BOARDS[board],))
                got = layer_crcs(target.line, packed.data, feeds)
                np.testing.assert_array_equal(got, expected, f"{name} {seed}")


@pytest.mark.emulated
@pytest.mark.parametrize("board", BOARDS)
def test_the_kernels_are_exact(board: str) -> None:
    check_board(board, range(1000, 1001))


@pytest.mark.emulated
@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_the_kernels_are_exact_over_many_networks(board: str) -> None:
    check_board(board, range(2000, 2006))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(1, 15),
    st.integers(-128, 127),
    st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    st.integers(0, 2**32 - 1),
)
def test_requantization_is_exact(
    multiplier: int, shift: int, zero_point: int, clamp: tuple[int, int], seed: int
) -> None:
    """Beside the steps of the output, which the packer tries itself: sums in between."""
    low, high = sorted(clamp)
    step = SimpleNamespace(
        params=image.Conv(
            **dict.fromkeys((f.name for f in fields(image.Conv)), 0)
            | {"output_offset": zero_point, "act_min": low, "act_max": high}
        ),
        multiplier=np.array([multiplier], np.int32),
        shift=np.array([-shift], np.int32),
    )
    bound = np.array([1 << 22])
    found = thumb1.scales(step, -bound, bound)
    assert found is not None
    least, words = found
    rng = np.random.default_rng(seed)
    sums = np.concatenate([rng.integers(-(1 << 22), 1 << 22, 500), rng.integers(-600, 600, 500)])
    exact = multiply_by_quantized_multiplier(sums, multiplier, -shift) + zero_point
    got = thumb1.requantize(sums - least, np.repeat(words, len(sums), axis=0))
    np.testing.assert_array_equal(got, np.clip(exact, low, high))
