"""Workloads: test vectors with labels, how they are encoded, and the metric."""

from __future__ import annotations

from hilbench.workloads.metrics import auc, by_file, predictions, reconstruction_errors, top1
from hilbench.workloads.random_inputs import random_vectors
from hilbench.workloads.registry import get, names
from hilbench.workloads.user_inputs import user_vectors
from hilbench.workloads.vectors import Vectors
from hilbench.workloads.workload import Examples, Part, Workload

__all__ = [
    "Examples",
    "Part",
    "Vectors",
    "Workload",
    "auc",
    "by_file",
    "get",
    "names",
    "predictions",
    "random_vectors",
    "reconstruction_errors",
    "top1",
    "user_vectors",
]
