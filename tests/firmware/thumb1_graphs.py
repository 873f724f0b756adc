"""Networks for the kernels of Armv6-M beyond those of dsp_graphs: what only they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hilbench.models.graph import ConvOptions, FullyConnectedOptions, Graph
from hilbench.quantization import Activation
from tests.firmware import mve_graphs
from tests.firmware.dsp_graphs import Sweep

CLAMPS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


@dataclass
class Int16Sweep(mve_graphs.Int16Sweep):
    """Right shifts from 2 on: sums are cut by 16 bits before they are shifted."""

    def scales(self, count: int, terms: int) -> tuple[float, ...]:
        return tuple(min(scale, 2.0**-2.01) for scale in super().scales(count, terms))


def odd_conv_sweep(seed: int, operators: int = 8) -> Graph:
    """Dense convolutions and depthwise ones: odd channels, any filter, every clamp."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 10, 2))
    depth = int(rng.integers(1, 12))
    sweep = Sweep(rng, (1, height, width, depth))
    for _ in range(operators):
        kernel = [int(rng.integers(1, min(6, size) + 1)) for size in (height, width)]
        stride = [int(v) for v in rng.integers(1, 4, 2)]
        same = bool(rng.random() < 0.6)
        rows = sweep.windows(height, kernel[0], stride[0], same)
        columns = sweep.windows(width, kernel[1], stride[1], same)
        options = ConvOptions(same, *stride, activation=CLAMPS[int(rng.integers(4))])
        scale = float(rng.choice([1.0, 0.5]))
        if rng.random() < 0.5:
            weights, bias = sweep.constants((1, *kernel, depth), 3, kernel[0] * kernel[1])
            output = sweep.output((1, rows, columns, depth), scale)
            sweep.operator("DEPTHWISE_CONV_2D", (0, weights, bias), output, options)
        else:
            channels = int(rng.integers(1, 8))
            terms = kernel[0] * kernel[1] * depth
            weights, bias = sweep.constants((channels, *kernel, depth), 0, terms)
            output = sweep.output((1, rows, columns, channels), scale)
            sweep.operator("CONV_2D", (0, weights, bias), output, options)
    return sweep.graph()


def odd_flat_sweep(seed: int, operators: int = 8) -> Graph:
    """Fully connected: odd channels, channels of hardly any weight."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 60))
    sweep = Sweep(rng, (1, depth))
    for _ in range(operators):
        channels = 2 * int(rng.integers(0, 5)) + 1
        weights, bias = sweep.constants((channels, depth), 0, depth)
        tensor = sweep.tensors[weights]
        faint = rng.random(channels) < 0.3
        scales = np.where(faint, np.array(tensor.scales) * 2.0**-12, tensor.scales)
        object.__setattr__(tensor, "scales", tuple(float(v) for v in scales))
        output = sweep.output((1, channels))
        sweep.operator("FULLY_CONNECTED", (0, weights, bias), output, FullyConnectedOptions())
    return sweep.graph()


def taps_sweep(seed: int, operators: int = 8) -> Graph:
    """Depthwise convolutions: even channels, long and square filters, some larger than the input;
    int8 and int4 weights."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 12, 2))
    if rng.random() < 0.3:
        width = 1
    depth = 2 * int(rng.integers(1, 7))
    sweep = (mve_graphs.Int4Sweep if rng.random() < 0.3 else mve_graphs.MveSweep)(
        rng, (1, height, width, depth)
    )
    for _ in range(operators):
        same = bool(rng.random() < 0.6)
        limit = (height + 4, width + 4) if same else (height, width)
        kernel = [int(rng.integers(1, most + 1)) for most in limit]
        stride = [int(v) for v in rng.integers(1, 4, 2)]
        rows = sweep.windows(height, kernel[0], stride[0], same)
        columns = sweep.windows(width, kernel[1], stride[1], same)
        options = ConvOptions(same, *stride, activation=CLAMPS[int(rng.integers(4))])
        shape = (1, rows, columns, depth)
        sweep.weighted("DEPTHWISE_CONV_2D", (1, *kernel, depth), 3, shape, options)
    return sweep.graph()
