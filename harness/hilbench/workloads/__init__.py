"""Workloads: test vectors with labels, how they are encoded, and the metric."""

from __future__ import annotations

from hilbench.errors import UsageError
from hilbench.workloads.anomaly import ANOMALY
from hilbench.workloads.digits import DIGITS
from hilbench.workloads.keywords import KEYWORDS
from hilbench.workloads.metrics import auc, by_file, predictions, reconstruction_errors, top1
from hilbench.workloads.mnist import MNIST5K
from hilbench.workloads.motion import MOTION
from hilbench.workloads.random_inputs import random_vectors
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

_WORKLOADS = {workload.name: workload for workload in (DIGITS, MNIST5K, MOTION, ANOMALY, KEYWORDS)}


def names() -> tuple[str, ...]:
    """Names of the workloads that ship."""
    return tuple(_WORKLOADS)


def get(name: str) -> Workload:
    """A workload by name.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    try:
        return _WORKLOADS[name]
    except KeyError:
        raise UsageError(f"no workload '{name}'; there are: {', '.join(names())}") from None
