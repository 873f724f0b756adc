"""Is it the exercise that it should be?  An autoencoder that has only ever seen rowing."""

from __future__ import annotations

import numpy as np

from hilbench.workloads import motion_data
from hilbench.workloads.motion import DEVIATION, MEAN, SEED, normalised
from hilbench.workloads.motion_data import EXERCISES, PERSONS, RATE_HZ
from hilbench.workloads.ordering import shuffled
from hilbench.workloads.shipped import SCHEMES, shipped_models
from hilbench.workloads.workload import Examples, Part, Workload

NORMAL = EXERCISES.index("ROW")
LENGTH = 96
#: Neighbouring samples that are averaged to one.
AVERAGED = 3
STRIDES: dict[Part, int] = {"train": 24, "validation": 96, "held-out": 96}

CARD = f"""\
Anomaly detection in the recordings of the workload `motion`: the exercise {EXERCISES[NORMAL]} is
normal (label 0), the six others are anomalies (label 1). The autoencoder is trained on normal
windows only; a window's score is the mean squared difference between its values and the model's
output, computed on the host from the device's (dequantized) outputs; the metric is the area under
the ROC curve. Windows of {LENGTH} samples (1.92 s) at {RATE_HZ} Hz, averaged in threes:
{LENGTH // AVERAGED} x 6 values. Parts by person as there: 705 training windows, all normal
(persons 1-6, overlapping by three quarters), 533 validation (7-8) and 530 held out (9-10), of all
exercises. Windows of one person are not independent, and two persons are few.
Real data, licence BSD-3-Clause (that of the package seglearn, which carries them; 18 MB).
Source: D. M. Burns et al., Physiol. Meas. 39 (2018) 075007, arXiv:1802.01489; Python package seglearn, BSD.
"""  # noqa: E501


def examples(part: Part) -> Examples:
    """Windows (n, 32, 1, 6); label 1 = anomaly.  The training part holds normal ones only.

    Raises
    ------
    ToolMissing
        The package with the recordings is not installed.
    """
    values, labels, persons = [], [], []
    for recording in motion_data.recordings():
        odd = recording.exercise != NORMAL
        if recording.person not in PERSONS[part] or (odd and part == "train"):
            continue
        windows = motion_data.windows(recording.values, LENGTH, STRIDES[part])
        shape = (len(windows), LENGTH // AVERAGED, AVERAGED, windows.shape[2])
        values.append(windows.reshape(shape).mean(axis=2))
        labels += [int(odd)] * len(windows)
        persons += [recording.person] * len(windows)
    whole = normalised(np.concatenate(values))[:, :, None, :]
    return shuffled(Examples(whole, np.array(labels), np.array(persons)), SEED)


ANOMALY = Workload(
    name="anomaly",
    task="anomaly",
    classes=("normal", "anomaly"),
    metric="auc",
    target=0.95,
    card=CARD,
    preprocessing=(
        f"windows of {LENGTH} samples at {RATE_HZ} Hz, means of {AVERAGED}; (value - mean) / "
        f"deviation per channel, means {MEAN}, deviations {DEVIATION}"
    ),
    view="waveform",
    schemes=SCHEMES,
    count=530,
    examples=examples,
    model_path=shipped_models("anomaly"),
    missing=motion_data.missing,
)
