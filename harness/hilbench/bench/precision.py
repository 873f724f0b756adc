"""``hilbench compress --experiment low-precision``: one network trained in several formats."""

from __future__ import annotations

from typing import Any

import numpy as np

from hilbench import __version__, workloads
from hilbench.backends.base import Progress
from hilbench.bench.compress import input_shape, paired
from hilbench.errors import UsageError
from hilbench.schemes.designs import design
from hilbench.schemes.low_precision import TITLES, train_in
from hilbench.schemes.training import Recipe, data_of
from hilbench.stats import wilson_interval

SCHEMA = "hilbench-low-precision-1"


def low_precision(workload_name: str, seed: int, epochs: int, progress: Progress) -> dict[str, Any]:
    """Train in each format; accuracy curves on the validation part, the end on the held-out one.

    Raises
    ------
    UsageError
        A workload without classes.
    """
    workload = workloads.get(workload_name)
    if workload.task != "classification":
        raise UsageError(
            f"workload {workload.name} is no classification ({workload.task}), which this needs"
        )
    train, validation = workload.examples("train"), workload.examples("validation")
    plan = design(workload.name, input_shape(train.values), len(workload.classes))
    network = plan.teachers[0]
    parts = [data_of(part, network.input_shape) for part in (train, validation)]
    held = data_of(workload.examples("held-out"), network.input_shape)
    recipe = Recipe(epochs=epochs, seed=seed, augment=plan.augment)
    curves: list[dict[str, Any]] = []
    reference: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    for number, name in enumerate(TITLES):
        curve = train_in(name, network, parts[0], parts[1], held.values, recipe)
        right = curve.outputs.argmax(axis=1) == held.labels
        low, high = wilson_interval(int(right.sum()), len(right))
        curves.append(
            {
                "format": name,
                "title": curve.title,
                "best_epoch": curve.fitted.best,
                "validation_top1": [epoch.validation_top1 for epoch in curve.fitted.history],
                "train_loss": [epoch.train_loss for epoch in curve.fitted.history],
                "top1": {"value": float(right.mean()), "low": low, "high": high, "n": len(right)},
                "vs_float32": None if reference is None else paired("float32", reference, right),
            }
        )
        reference = right if reference is None else reference
        progress("low precision", (number + 1) / len(TITLES))
    return {
        "schema": SCHEMA,
        "hilbench": __version__,
        "workload": workload.name,
        "synthetic": workload.synthetic,
        "network": network.name,
        "parameters": network.parameter_count(),
        "seed": seed,
        "epochs": epochs,
        "curves": curves,
    }
