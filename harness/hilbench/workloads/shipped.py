"""Models that ship inside the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from hilbench.workloads.workload import ModelPath

#: Schemes of every shipped model, the default first.
SCHEMES = ("w8a8", "f32")


def shipped(name: str) -> Path:
    """Path of a file in ``workloads/data``."""
    return Path(str(resources.files("hilbench.workloads").joinpath("data", name)))


def shipped_models(workload: str) -> ModelPath:
    """``model_path`` of a workload whose models are ``<workload>_<scheme>.tflite``."""
    return lambda scheme: shipped(f"{workload}_{scheme}.tflite")
