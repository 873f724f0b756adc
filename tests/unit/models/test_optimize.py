"""``optimize="speed"``: which operators take the kernels that spend flash, and which never do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.firmware.dsp_graphs import Sweep, chain_sweep, conv_sweep

from hilbench import models
from hilbench.models.graph import ConvOptions, Graph
from hilbench.quantization import Activation

DSP = ("thumb2", "dsp")


def convolution(
    depth: int = 16,
    channels: int = 16,
    size: int = 12,
    filter_hw: int = 3,
    options: ConvOptions | None = None,
) -> Graph:
    """One convolution whose output is as large as its input."""
    sweep = Sweep(np.random.default_rng(0), (1, size, size, depth))
    shape = (channels, filter_hw, filter_hw, depth)
    weights, bias = sweep.constants(shape, 0, filter_hw**2 * depth)
    options = options or ConvOptions(True)
    size = -(-size // options.stride_h)
    output = sweep.output((1, size, size, channels))
    sweep.operator("CONV_2D", (0, weights, bias), output, options)
    return sweep.graph()


def with_constant(graph: Graph, name: str, data: np.ndarray) -> Graph:
    tensors = [replace(t, data=data) if t.name == name else t for t in graph.tensors]
    return replace(graph, tensors=tuple(tensors))


def kernel(graph: Graph, optimize: str = "speed") -> str:
    return models.pack(graph, isa=DSP, optimize=optimize).ops[0].kernel


def test_a_convolution_3x3_of_stride_1_takes_winograd() -> None:
    assert kernel(convolution()) == "dsp_winograd"
    assert kernel(convolution(), "size") == "dsp"


def test_its_weights_take_as_much_flash_as_said() -> None:
    graph = convolution(depth=32, channels=32)
    size, speed = (len(models.pack(graph, isa=DSP, optimize=o).data) for o in ("size", "speed"))
    assert speed - size == 32 * 32 * (16 * 2 - 9)


@pytest.mark.parametrize(
    "graph",
    [
        convolution(options=ConvOptions(True, 2, 2)),
        convolution(options=ConvOptions(True, dilation_h=2, dilation_w=2)),
        convolution(filter_hw=5),
        convolution(filter_hw=1),
        convolution(depth=6),
        convolution(size=1),  # one output of eight
    ],
    ids=["strided", "dilated", "5x5", "1x1", "odd depth", "tiny"],
)
def test_others_keep_their_kernel(graph: Graph) -> None:
    assert kernel(graph) == kernel(graph, "size")


def test_a_clamp_keeps_the_canonical_kernel() -> None:
    graph = convolution(options=ConvOptions(True, activation=Activation.RELU))
    tensors = [replace(t, zero_points=(0,)) if t.name == "output" else t for t in graph.tensors]
    assert kernel(replace(graph, tensors=tuple(tensors))) == "canonical"


def test_sums_that_could_wrap_keep_their_kernel() -> None:
    """4 times the bias must fit 32 bits; dsp's lower channels hold the bias itself."""
    bias = np.zeros(16, np.int32)
    bias[0] = 1 << 29
    assert kernel(with_constant(convolution(), "bias", bias)) == "dsp"
    bias[0] = 1 << 28
    assert kernel(with_constant(convolution(), "bias", bias)) == "dsp_winograd"


@pytest.mark.parametrize("isa", [(), ("thumb1",), ("rv32im",)])
def test_other_cores_have_no_such_kernel(isa: tuple[str, ...]) -> None:
    graph = convolution()
    size, speed = (models.pack(graph, isa=isa, optimize=o).data for o in ("size", "speed"))
    assert size == speed


def test_mve_comes_first() -> None:
    packed = models.pack(convolution(), isa=("dsp", "mve"), optimize="speed")
    assert packed.ops[0].kernel == "mve"


@pytest.mark.parametrize("seed", range(5))
def test_size_is_the_default(seed: int) -> None:
    for graph in (conv_sweep(seed), chain_sweep(seed)):
        assert models.pack(graph, isa=DSP).data == models.pack(graph, isa=DSP, optimize="size").data


def test_an_unknown_goal_is_refused() -> None:
    with pytest.raises(ValueError, match="size, speed"):
        models.pack(convolution(), optimize="both")
