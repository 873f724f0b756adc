"""Accuracy metrics of outputs against labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def predictions(outputs: NDArray[Any]) -> NDArray[np.int64]:
    """Index of the largest output of each row, the first of equals; outputs (n, classes)."""
    best: NDArray[np.int64] = outputs.argmax(axis=1).astype(np.int64)
    return best


def top1(outputs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Share of rows whose largest output is the label, 0 to 1."""
    return float(np.mean(predictions(outputs) == labels))
