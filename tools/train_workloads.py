"""Trains the models of the workloads that ship and writes them as .tflite, float32 and int8.

    python tools/train_workloads.py [NAME ...] [--out DIR]

Numpy only, seeded, one BLAS thread: the same machine gives the same bytes.  The epoch is chosen on
the validation part.  The target is chosen without the held-out part too, and rounded down to a
whole per cent.  Where classes are told apart of persons or voices that are known, it is what one
may expect, with 95 % confidence, of others: the one-sided prediction bound from four folds of a
cross-validation by person (or voice) over the training and validation parts, each trained afresh
for as many epochs.  Else it is the lower end of the 95 % interval of the float model's metric on
the validation part.  The held-out part is read at the end, to print what came out; while these
recipes were found, that was not only once for motion and kws-synthetic (docs/workloads.md).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "harness"), str(ROOT / "tools")]

import numpy as np  # noqa: E402
import train_digits  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from hilbench import models, stats, workloads  # noqa: E402
from hilbench.models import writer  # noqa: E402
from hilbench.schemes import export, layers, objectives, post_training, training  # noqa: E402
from hilbench.schemes.augmentation import chained, noisy, scaled, shifted  # noqa: E402
from hilbench.schemes.network import Network  # noqa: E402
from hilbench.workloads import keywords_data, motion  # noqa: E402

SEED = 20261124
CALIBRATION_VECTORS = 300
FOLDS = 4
STUDENT_T_95 = 2.353  # one-sided, FOLDS - 1 degrees of freedom
Floats = NDArray[np.float32]
Augment = Callable[[Floats, np.random.Generator], Floats]


@dataclass(frozen=True)
class Training:
    """How the model of a workload comes to be."""

    network: Network
    recipe: training.Recipe
    objective: objectives.Objective = objectives.cross_entropy
    #: What kind a group is of: folds share each kind evenly.
    stratum: Callable[[int], str] = lambda group: ""

    @property
    def classifies(self) -> bool:
        return self.objective is objectives.cross_entropy


def rolled(most: int) -> Augment:
    """Each example turned round in time by up to ``most`` steps."""

    def augment(x: Floats, rng: np.random.Generator) -> Floats:
        steps = rng.integers(-most, most + 1, len(x))
        return np.stack([np.roll(one, step, axis=0) for one, step in zip(x, steps, strict=True)])

    return augment


def turned(most_degrees: float) -> Augment:
    """Both 3-axis sensors of a watch that sits turned on the wrist: one rotation per example."""
    mean, deviation = np.array(motion.MEAN), np.array(motion.DEVIATION)

    def augment(x: Floats, rng: np.random.Generator) -> Floats:
        axis = rng.normal(size=(len(x), 3))
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        angle = np.radians(rng.uniform(0, most_degrees, len(x)))[:, None, None]
        cross = np.cross(np.eye(3)[None], axis[:, None, :])  # rows: cross products with the axis
        # Rodrigues' formula
        rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
        sensors = (x * deviation + mean).reshape(len(x), -1, 2, 3)
        values = np.einsum("nij,ntcj->ntci", rotation, sensors).reshape(x.shape)
        return ((values - mean) / deviation).astype(np.float32)

    return augment


def per_channel(factor: float, offset: float) -> Augment:
    """Each channel of each example with a gain (uniform, 1 +- factor) and a Gaussian offset."""

    def augment(x: Floats, rng: np.random.Generator) -> Floats:
        shape = (len(x), 1, 1, x.shape[3])
        gains, offsets = rng.uniform(1 - factor, 1 + factor, shape), rng.normal(0, offset, shape)
        return (x * gains + offsets).astype(np.float32)

    return augment


TRAININGS = {
    "mnist5k": Training(
        Network(
            "mnist5k",
            (28, 28, 1),
            (
                layers.Conv2D(16, stride=(2, 2)),
                layers.Depthwise(),
                layers.pointwise(32),
                layers.Depthwise(stride=(2, 2)),
                layers.pointwise(64),
                layers.Depthwise(),
                layers.pointwise(64),
                layers.AveragePool(),
                layers.Flatten(),
                layers.Dense(10),
            ),
        ),
        training.Recipe(epochs=40, seed=SEED, augment=shifted(2, 2)),
    ),
    "motion": Training(
        Network(
            "motion",
            (100, 1, 6),
            (
                layers.Conv2D(16, (7, 1), (2, 1)),
                layers.Conv2D(24, (5, 1), (2, 1)),
                layers.Conv2D(32, (5, 1), (2, 1)),
                layers.AveragePool(),
                layers.Flatten(),
                layers.Dense(7),
            ),
        ),
        training.Recipe(
            epochs=30,
            seed=SEED,
            augment=chained([turned(15), per_channel(0.15, 0.15), noisy(0.05)]),
        ),
    ),
    "anomaly": Training(
        Network(
            "anomaly",
            (32, 1, 6),
            (
                layers.Dense(32, True),
                layers.Dense(8, True),
                layers.Dense(32, True),
                layers.Dense(32 * 6),
            ),
        ),
        training.Recipe(epochs=60, peak_rate=2e-3, weight_decay=1e-3, seed=SEED),
        objectives.reconstruction,
    ),
    "kws-synthetic": Training(
        Network(
            "kws-synthetic",
            (49, 1, 10),
            (
                layers.Conv2D(32, (7, 1), (2, 1)),
                layers.Depthwise((9, 1)),
                layers.pointwise(48),
                layers.Depthwise((9, 1), (2, 1)),
                layers.pointwise(64),
                layers.AveragePool(),
                layers.Flatten(),
                layers.Dense(12),
            ),
        ),
        training.Recipe(
            epochs=40,
            seed=SEED,
            augment=chained([rolled(5), scaled(0.1), per_channel(0.1, 0.5), noisy(0.3)]),
        ),
        stratum=lambda group: keywords_data.ALL_VOICES[group].split(":")[0],
    ),
}


def quality(content: bytes, name: str, part: workloads.Part) -> tuple[float, float, float]:
    """The metric of a model by the reference interpreter: value, low, high."""
    workload = workloads.get(name)
    graph = models.loads(content, name)
    examples, vectors = workload.examples(part), workload.vectors(graph, part)
    outputs = models.run_reference(graph, vectors.vectors).outputs
    labels = examples.labels
    if workload.metric == "auc":
        output = graph.outputs[0]
        affine = (1.0, 0) if output.dtype == "float32" else (output.scale, output.zero_point)
        errors = workloads.reconstruction_errors(outputs, examples.values, *affine)
        found = stats.auc(errors, labels != 0)
        return found.value, found.low, found.high
    right = workloads.predictions(outputs) == labels
    return float(right.mean()), *stats.wilson_interval(int(right.sum()), len(right))


def expected_of_others(plan: Training, name: str, epochs: int) -> float:
    """Lower bound of the top-1 of a further fold of groups, 95 %, from four such folds.

    G. J. Hahn and W. Q. Meeker, Statistical Intervals, 1991, section 4.8: the mean less t times
    the standard deviation times the root of 1 + 1/n.
    """
    parts = [workloads.get(name).examples(part) for part in ("train", "validation")]
    values = np.concatenate([part.values for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    groups = np.concatenate([part.groups for part in parts if part.groups is not None])
    mixed = np.random.default_rng(SEED).permutation(np.unique(groups))
    order = np.array(sorted(mixed, key=plan.stratum))  # stable: mixed within a stratum
    found = []
    for fold in range(FOLDS):
        left_out = np.isin(groups, order[fold::FOLDS])
        rest = training.Data(values[~left_out], labels[~left_out])
        # no validation: the epoch with the lowest training loss is about the last
        recipe = replace(plan.recipe, epochs=epochs)
        fitted = training.fit(plan.network, plan.network.initial(SEED), rest, rest, recipe)
        outputs = plan.network.predict(fitted.params, values[left_out])
        found.append(training.top1(outputs, labels[left_out]))
    sys.stdout.write(f"{name}: folds {' '.join(f'{value:.4f}' for value in found)}\n")
    spread = float(np.std(found, ddof=1)) * math.sqrt(1 + 1 / FOLDS)
    return float(np.mean(found)) - STUDENT_T_95 * spread


def train(name: str, out: Path) -> None:
    """Train, write, report."""
    plan, workload = TRAININGS[name], workloads.get(name)
    part = training.data_of(workload.examples("train"), plan.network.input_shape)
    validation = training.data_of(workload.examples("validation"), plan.network.input_shape)
    if workload.task == "anomaly":
        normal = validation.labels == 0
        validation = training.Data(validation.values[normal], validation.labels[normal])
    initial = plan.network.initial(SEED)
    fitted = training.fit(plan.network, initial, part, validation, plan.recipe, plan.objective)
    float_graph = export.float_graph(plan.network, fitted.params, softmax=plan.classifies)
    int8_graph = post_training.quantize(
        float_graph, part.values[:CALIBRATION_VECTORS], dense_per_channel=not plan.classifies
    )
    out.mkdir(parents=True, exist_ok=True)
    target = None
    for scheme, graph in (("f32", float_graph), ("w8a8", int8_graph)):
        content = writer.write(graph)
        (out / f"{name}_{scheme}.tflite").write_bytes(content)
        chosen, low, _ = quality(content, name, "validation")
        if target is None:
            by_group = plan.classifies and workload.examples("validation").groups is not None
            target = expected_of_others(plan, name, fitted.best + 1) if by_group else low
        value, held_low, held_high = quality(content, name, "held-out")
        sys.stdout.write(
            f"{name} {scheme}: {len(content)} bytes, epoch {fitted.best}, "
            f"{plan.network.parameter_count()} parameters, "
            f"validation {workload.metric} {chosen:.4f} (target {math.floor(100 * target) / 100}), "
            f"held-out {value:.4f} [{held_low:.4f}, {held_high:.4f}]\n"
        )


def main() -> int:
    """The models asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "harness/hilbench/workloads/data")
    options = parser.parse_args()
    for name in options.names or ("digits", *TRAININGS):
        if name == "digits":
            train_digits.train(options.out)
        else:
            train(name, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
