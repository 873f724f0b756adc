"""Trains the shipped digits models and writes them as .tflite, float32 and int8.

    python tools/train_digits.py [--out DIR]

Numpy only, seeded, one BLAS thread: the same machine gives the same bytes.  The epoch is chosen on
the validation part; the held-out part is read once, at the end, to print what came out.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "harness"), str(ROOT / "tools")]

import digits_network as network  # noqa: E402
import numpy as np  # noqa: E402
import post_training  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from hilbench import models, workloads  # noqa: E402
from hilbench.models import writer  # noqa: E402
from hilbench.models.graph import (  # noqa: E402
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    Options,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)
from hilbench.quantization import Activation  # noqa: E402

SEED = 20261124
EPOCHS = 120
BATCH = 32
PEAK_RATE = 4e-3
WEIGHT_DECAY = 2e-3
CALIBRATION_VECTORS = 300


def train(part: workloads.Examples, validation: workloads.Examples) -> network.Params:
    """Parameters of the epoch that does best on the validation part (the last of equals)."""
    params = network.initial(SEED)
    optimizer = network.Adam(params, WEIGHT_DECAY)
    rng = np.random.default_rng(SEED)
    images, labels = part.values, part.labels
    held = validation.values
    batches = len(images) // BATCH
    best, best_loss = params, math.inf
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        for b in range(batches):
            rate = PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (epoch + b / batches) / EPOCHS))
            chosen = order[b * BATCH : (b + 1) * BATCH]
            x = shifted(images[chosen], rng)
            _, gradients = network.loss_and_gradients(params, x, labels[chosen])
            optimizer.step(gradients, rate)
        loss, _ = network.loss_and_gradients(params, held, validation.labels)
        if loss <= best_loss:
            best_loss, best = loss, {name: p.copy() for name, p in params.items()}
    return best


def shifted(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each image moved by -1, 0 or 1 pixel in both directions."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    return np.stack(
        [
            padded[i, r : r + 8, c : c + 8]
            for i, (r, c) in enumerate(zip(rows, columns, strict=True))
        ]
    )


def graph_of(params: network.Params) -> Graph:
    """The float32 graph, with softmax."""
    first, second, third = network.WIDTHS
    tensors: list[Tensor] = [Tensor("image", (1, 8, 8, 1), "float32")]
    operators: list[Operator] = []

    def add(
        opcode: str, shape: tuple[int, ...], options: Options, *constants: NDArray[np.float32]
    ) -> None:
        source = operators[-1].outputs[0] if operators else 0
        inputs = [source]
        for stem, constant in zip(("weights", "bias"), constants, strict=False):
            inputs.append(len(tensors))
            name = f"{opcode.lower()}_{len(operators)}/{stem}"
            tensors.append(Tensor(name, constant.shape, "float32", data=constant))
        tensors.append(Tensor(f"{opcode.lower()}_{len(operators)}", shape, "float32"))
        operators.append(Operator(opcode, tuple(inputs), (len(tensors) - 1,), options))

    relu = Activation.RELU
    same = ConvOptions(True, activation=relu)
    p = params
    add("CONV_2D", (1, 8, 8, first), same, ohwi(p["conv"], 3), p["conv_bias"])
    add("DEPTHWISE_CONV_2D", (1, 8, 8, first), same, p["dw1"][None], p["dw1_bias"])
    add("CONV_2D", (1, 8, 8, second), same, ohwi(p["pw1"], 1), p["pw1_bias"])
    halving = ConvOptions(True, 2, 2, activation=relu)
    add("DEPTHWISE_CONV_2D", (1, 4, 4, second), halving, p["dw2"][None], p["dw2_bias"])
    add("CONV_2D", (1, 4, 4, third), same, ohwi(p["pw2"], 1), p["pw2_bias"])
    add("AVERAGE_POOL_2D", (1, 1, 1, third), PoolOptions(False, 4, 4, 4, 4))
    add("RESHAPE", (1, third), ReshapeOptions((1, third)))
    dense = FullyConnectedOptions()
    add("FULLY_CONNECTED", (1, 10), dense, np.ascontiguousarray(p["fc"].T), p["fc_bias"])
    add("SOFTMAX", (1, 10), SoftmaxOptions(1.0))
    return Graph(tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,), name="digits")


def ohwi(weights: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(size * size * I, O) as convolution weights (O, size, size, I)."""
    outputs = weights.shape[1]
    return np.ascontiguousarray(weights.T).reshape(outputs, size, size, -1)


def accuracy(content: bytes, name: str) -> float:
    """Top-1 on the held-out part, by the reference interpreter."""
    graph = models.loads(content, name)
    vectors = workloads.get("digits").vectors(graph)
    outputs = models.run_reference(graph, vectors.vectors).outputs
    assert vectors.labels is not None
    return workloads.top1(outputs, vectors.labels)


def main() -> int:
    """Train, write, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "harness/hilbench/workloads/data")
    out: Path = parser.parse_args().out
    digits = workloads.get("digits")
    part, validation = digits.examples("train"), digits.examples("validation")
    float_graph = graph_of(train(part, validation))
    calibration = part.values[:CALIBRATION_VECTORS]
    int8_graph = post_training.quantize(float_graph, calibration)
    out.mkdir(parents=True, exist_ok=True)
    for name, graph in (("digits_f32", float_graph), ("digits_w8a8", int8_graph)):
        content = writer.write(graph)
        (out / f"{name}.tflite").write_bytes(content)
        sys.stdout.write(f"{name}: {len(content)} bytes, top-1 {accuracy(content, name):.4f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
