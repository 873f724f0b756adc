"""Which shoulder exercise is it?  Two seconds of a smart watch's accelerometer and gyroscope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.workloads import motion_data
from hilbench.workloads.motion_data import EXERCISES, PERSONS, RATE_HZ
from hilbench.workloads.ordering import shuffled
from hilbench.workloads.shipped import SCHEMES, shipped_models
from hilbench.workloads.workload import Examples, Part, Workload

LENGTH = 100
#: Windows of the training part overlap by half; those that are counted do not.
STRIDES: dict[Part, int] = {"train": 50, "validation": 100, "held-out": 100}
#: Of the training part, per channel (test: equal to what the data give, to the last digit here).
MEAN = (-0.012, 0.392, -0.169, 0.016, -0.006, 0.012)
DEVIATION = (0.930, 0.513, 0.584, 1.053, 2.614, 1.128)
SEED = 20261124

CARD = f"""\
Seven shoulder exercises ({", ".join(EXERCISES)}) seen by a smart watch: 3-axis accelerometer and
3-axis gyroscope at {RATE_HZ} Hz, 140 recordings of 10 persons (each side, each exercise once).
Windows of {LENGTH} samples (2 s): 2669 training (overlapping by half), 508 validation, 506 held out
(not overlapping). Parts by person: 1-6 training, 7-8 validation, 9-10 held out. Windows of one
person are not independent, and two persons are few: the interval of the accuracy speaks of windows
of these persons, not of other people.
Real data, licence BSD-3-Clause (that of the package seglearn, which carries them; 18 MB).
Source: D. M. Burns et al., Physiol. Meas. 39 (2018) 075007, arXiv:1802.01489; Python package seglearn, BSD.
"""  # noqa: E501


def normalised(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Each channel (the last axis) with the mean and deviation of the training part."""
    return np.asarray((values - np.array(MEAN)) / np.array(DEVIATION), np.float32)


def examples(part: Part) -> Examples:
    """Windows (n, 100, 1, 6) of the part's persons, in an order mixed with a fixed seed.

    Raises
    ------
    ToolMissing
        The package with the recordings is not installed.
    """
    found = [
        (motion_data.windows(recording.values, LENGTH, STRIDES[part]), recording)
        for recording in motion_data.recordings()
        if recording.person in PERSONS[part]
    ]
    values = normalised(np.concatenate([windows for windows, _ in found]))
    labels = [recording.exercise for windows, recording in found for _ in windows]
    persons = [recording.person for windows, recording in found for _ in windows]
    whole = Examples(values[:, :, None, :], np.array(labels), np.array(persons))
    return shuffled(whole, SEED)


MOTION = Workload(
    name="motion",
    task="classification",
    classes=EXERCISES,
    metric="top1",
    target=0.72,
    card=CARD,
    preprocessing=(
        f"windows of {LENGTH} samples at {RATE_HZ} Hz; (value - mean) / deviation per channel, "
        f"means {MEAN}, deviations {DEVIATION}"
    ),
    view="waveform",
    schemes=SCHEMES,
    count=506,
    examples=examples,
    model_path=shipped_models("motion"),
    missing=motion_data.missing,
)
