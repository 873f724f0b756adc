"""Metrics of outputs against labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import stats


def predictions(outputs: NDArray[Any]) -> NDArray[np.int64]:
    """Index of the largest output of each row, the first of equals; outputs (n, classes)."""
    best: NDArray[np.int64] = outputs.argmax(axis=1).astype(np.int64)
    return best


def top1(outputs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Share of rows whose largest output is the label, 0 to 1."""
    return float(np.mean(predictions(outputs) == labels))


def reconstruction_errors(
    outputs: NDArray[Any], values: NDArray[Any], scale: float, zero_point: int
) -> NDArray[np.float64]:
    """Mean squared difference of each row between an autoencoder's output and its input.

    Parameters
    ----------
    outputs : ndarray, shape (n, elements)
        As the device gave them; real = ``scale * (output - zero_point)``.
    values : ndarray, shape (n, ...)
        Real values before encoding: what the encoding cut off counts as an error, as it should.
    scale, zero_point : float, int
        Of the model's output; 1 and 0 for float outputs.
    """
    real = scale * (outputs.astype(np.float64) - zero_point)
    difference = real - values.reshape(outputs.shape).astype(np.float64)
    return np.asarray(np.mean(difference * difference, axis=1))


def by_file(
    scores: NDArray[np.float64], labels: NDArray[np.int64], files: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean score and label of each file, of whose windows ``scores`` are; None = one per file."""
    if files is None:
        return scores, labels
    _, first, inverse, counts = np.unique(
        files, return_index=True, return_inverse=True, return_counts=True
    )
    return np.bincount(inverse, scores) / counts, labels[first]


def auc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Area under the ROC curve of anomaly scores, 0 to 1; a label other than 0 is an anomaly.

    Raises
    ------
    ValueError
        All labels are of one kind.
    """
    return stats.auc(scores, labels != 0).value
