"""Networks for the kernels of Armv6-M beyond those of dsp_graphs: what only they take."""

from __future__ import annotations

import numpy as np

from hilbench.models.graph import ConvOptions, FullyConnectedOptions, Graph
from hilbench.quantization import Activation
from tests.firmware.dsp_graphs import Sweep

CLAMPS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


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
