"""Trains the shipped digits models and writes them as .tflite, float32 and int8.

    python tools/train_digits.py [--out DIR]

Numpy only, seeded, one BLAS thread: the same machine gives the same bytes.  The epoch is chosen on
the validation part; the held-out part is read once, at the end, to print what came out.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "harness"))

from hilbench import models, workloads  # noqa: E402
from hilbench.models import writer  # noqa: E402
from hilbench.schemes import export, layers, post_training, training  # noqa: E402
from hilbench.schemes.augmentation import shifted  # noqa: E402
from hilbench.schemes.network import Network  # noqa: E402

SEED = 20261124
CALIBRATION_VECTORS = 300
RECIPE = training.Recipe(epochs=120, seed=SEED, augment=shifted(1, 1))
NETWORK = Network(
    "digits",
    (8, 8, 1),
    (
        layers.Conv2D(16),
        layers.Depthwise(),
        layers.pointwise(32),
        layers.Depthwise(stride=(2, 2)),
        layers.pointwise(48),
        layers.AveragePool(),
        layers.Flatten(),
        layers.Dense(10),
    ),
)


def accuracy(content: bytes, name: str) -> float:
    """Top-1 on the held-out part, by the reference interpreter."""
    graph = models.loads(content, name)
    vectors = workloads.get("digits").vectors(graph)
    outputs = models.run_reference(graph, vectors.vectors).outputs
    assert vectors.labels is not None
    return workloads.top1(outputs, vectors.labels)


def train(out: Path) -> None:
    """Train, write, report."""
    digits = workloads.get("digits")
    part = training.data_of(digits.examples("train"), NETWORK.input_shape)
    validation = training.data_of(digits.examples("validation"), NETWORK.input_shape)
    fitted = training.fit(NETWORK, NETWORK.initial(SEED), part, validation, RECIPE)
    float_graph = export.float_graph(NETWORK, fitted.params, softmax=True, input_name="image")
    int8_graph = post_training.quantize(
        float_graph, part.values[:CALIBRATION_VECTORS], dense_per_channel=False
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, graph in (("digits_f32", float_graph), ("digits_w8a8", int8_graph)):
        content = writer.write(graph)
        (out / f"{name}.tflite").write_bytes(content)
        sys.stdout.write(f"{name}: {len(content)} bytes, top-1 {accuracy(content, name):.4f}\n")


def main() -> int:
    """The models into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "harness/hilbench/workloads/data")
    train(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
