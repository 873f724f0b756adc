"""Recordings of a smart watch: accelerometer and gyroscope during shoulder exercises.

D. M. Burns et al., "Shoulder physiotherapy exercise recognition: machine learning the inertial
signals from a smartwatch", Physiol. Meas. 39 (2018) 075007, arXiv:1802.01489; the recordings
come with the Python package seglearn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import VectorError
from hilbench.workloads.packages import checked_bytes, installed_file
from hilbench.workloads.restricted_pickle import read_object_array

MODULE, FILE = "seglearn", "data/watch_dataset.npy"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
REMEDY = "pip install 'hilbench[motion]'"

RATE_HZ = 50
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
EXERCISES = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
#: Persons of each part, by their number in the data.
PERSONS = {"train": (1, 2, 3, 4, 5, 6), "validation": (7, 8), "held-out": (9, 10)}


@dataclass(frozen=True, eq=False)
class Recording:
    """One set of repetitions: values (samples, 6) in the file's units, at 50 Hz."""

    values: NDArray[np.float64]
    exercise: int
    person: int


def missing() -> str | None:
    """What has to be installed; None = nothing."""
    return None if installed_file(MODULE, FILE) else REMEDY


@cache
def recordings() -> tuple[Recording, ...]:
    """All 140 recordings, in the order of the file.

    Raises
    ------
    ToolMissing
        The package is not installed.
    BlockedError
        Its file is another one.
    """
    content = checked_bytes(MODULE, FILE, SHA256, REMEDY)
    data: dict[str, Any] = read_object_array(content, FILE)
    if tuple(data["X_labels"]) != CHANNELS or tuple(data["y_labels"]) != EXERCISES:
        raise VectorError(f"{FILE}: other channels or exercises than expected")
    return tuple(
        Recording(values, int(exercise), int(person))
        for values, exercise, person in zip(data["X"], data["y"], data["subject"], strict=True)
    )


def windows(values: NDArray[np.float64], length: int, stride: int) -> NDArray[np.float64]:
    """Windows (n, length, channels) of a recording; what is left at its end is dropped."""
    starts = range(0, len(values) - length + 1, stride)
    return np.stack([values[start : start + length] for start in starts])
