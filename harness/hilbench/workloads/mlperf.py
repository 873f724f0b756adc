"""The tasks of the MLPerf Tiny suite, on the user's own copy of its data.

Definitions only: the file formats, label files and quality targets of the suite (its rules, and
``datasets/`` of its runner); the data sets have owners and licences of their own and are not
shipped.  Files are read as the suite's runner sends them, and become real values, so that models
of every input type are asked the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import UsageError, VectorError
from hilbench.workloads.user_inputs import LabelRow, read_labels, read_raw
from hilbench.workloads.workload import Examples, Part, Workload

#: Input quantization of the suite's int8 keyword model, which its files are already in.
KWS_SCALE, KWS_ZERO_POINT = 0.5847029089927673, 83
#: Bytes of an anomaly window (5 frames of 128 float32) and between two, where labels don't say.
AD_WINDOW, AD_STRIDE = 2560, 512

KWS_WORDS = (
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown",
)  # fmt: skip
CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One task of the suite.

    Attributes
    ----------
    shape : tuple of int
        Of a vector.
    dtype : str
        Of the values in a file, little-endian.
    real : callable
        From those to real values.
    """

    shape: tuple[int, ...]
    dtype: str
    real: Callable[[NDArray[np.float32]], NDArray[np.float32]]

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def _keywords(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return (values - np.float32(KWS_ZERO_POINT)) * np.float32(KWS_SCALE)


def _unchanged(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / np.float32(255)


def labelled_files(task: Task, inputs: Path, labels: Path, classes: int) -> Examples:
    """One vector per file, in the order of the label file.

    Raises
    ------
    VectorError
        A file is absent or of another size, or the labels are not the task's.
    """
    rows = _rows(labels, classes)
    raw = [read_raw(inputs / row.file, task.bytes) for row in rows]
    values = np.frombuffer(b"".join(raw), task.dtype).astype(np.float32)
    real = task.real(values).reshape(-1, *task.shape)
    return Examples(real, np.array([row.label for row in rows], np.int64))


def windowed_files(task: Task, inputs: Path, labels: Path, classes: int) -> Examples:
    """Windows that slide over each file; ``groups`` is the number of the file."""
    rows = _rows(labels, classes)
    values, counts = [], []
    for row in rows:
        window, stride = row.window or AD_WINDOW, row.stride or AD_STRIDE
        if window != task.bytes or stride % 4:
            raise VectorError(
                f"{labels}: {row.file}: windows of {window} bytes every {stride}; the model takes "
                f"{task.bytes}, and a value 4"
            )
        content = read_raw(inputs / row.file, None)
        if len(content) < window or (len(content) - window) % stride:
            raise VectorError(
                f"{inputs / row.file}: {len(content)} bytes are not windows of {window} bytes "
                f"every {stride}"
            )
        whole = np.frombuffer(content, task.dtype).astype(np.float32)
        cut = np.lib.stride_tricks.sliding_window_view(whole, window // 4)[:: stride // 4]
        values.append(cut)
        counts.append(len(cut))
    if not np.isfinite(stacked := np.concatenate(values)).all():
        raise VectorError(f"{inputs}: a value that is not finite")
    return Examples(
        task.real(stacked).reshape(-1, *task.shape),
        np.repeat(np.array([row.label for row in rows], np.int64), counts),
        np.repeat(np.arange(len(rows)), counts),
    )


def _rows(labels: Path, classes: int) -> list[LabelRow]:
    rows = read_labels(labels)
    for row in rows:
        if row.classes not in (None, classes) or row.label >= classes:
            raise VectorError(f"{labels}: {row.file}: not a label of {classes} classes")
    return rows


# ---------------------------------------------------------------- definitions

Reader = Callable[[Task, Path, Path, int], Examples]


def _definition(
    name: str,
    task: Task,
    classes: tuple[str, ...],
    target: float,
    words: str,
    preprocessing: str,
    read: Reader = labelled_files,
) -> Workload:
    bring = f"your copy: --workload {name} --model FILE --inputs DIR --labels y_labels.csv"

    def absent(part: Part) -> Examples:
        raise UsageError(f"{name} takes your own copy of the data", hint=f"{bring}; {words}")

    def with_data(inputs: Path, labels: Path) -> Workload:
        if not inputs.is_dir():
            raise VectorError(f"{inputs}: not a folder of files; {words}")

        def examples(part: Part) -> Examples:
            if part != "held-out":
                raise UsageError(f"{name} has no {part} part: it is for reporting only")
            return read(task, inputs, labels, len(classes))

        return replace(workload, examples=examples, card=f"{workload.card}{inputs}, {labels}\n")

    anomaly = read is windowed_files
    workload = Workload(
        name=name,
        task="anomaly" if anomaly else "classification",
        classes=classes,
        metric="auc" if anomaly else "top1",
        target=target,
        card=(
            f"A task of the MLPerf Tiny suite, on your own copy of its data. {words}\n"
            "Labels: y_labels.csv of the suite, lines `file,classes,label` in its order.\n"
            "The data are not shipped: their owners' licences apply. All of it is held out.\n"
            "Source: the user's files "
        ),
        preprocessing=preprocessing,
        view="image" if len(task.shape) == 3 else "row",
        examples=absent,
        missing=lambda: bring,
        with_data=with_data,
        files=anomaly,
    )
    return workload


MLPERF = (
    _definition(
        "mlperf-kws",
        Task((49, 10, 1), "i1", _keywords),
        KWS_WORDS,
        0.9,
        "Keyword spotting: 1000 files of 490 bytes, int8, 49 x 10 MFCC of Speech Commands v2 "
        "(folder kws01 of the suite's data sets).",
        f"({KWS_SCALE} * (byte - {KWS_ZERO_POINT}): the quantization of the suite's files)",
    ),
    _definition(
        "mlperf-ic",
        Task((32, 32, 3), "u1", _unchanged),
        CIFAR10,
        0.85,
        "Image classification: 200 files of 3072 bytes, uint8, 32 x 32 RGB of CIFAR-10 (ic01).",
        "pixel values 0 to 255, unchanged",
    ),
    _definition(
        "mlperf-vww",
        Task((96, 96, 3), "u1", _unit),
        ("no person", "person"),
        0.8,
        "Visual wake words: 1000 files of 27648 bytes, uint8, 96 x 96 RGB of COCO 2014 (vww01).",
        "pixel value / 255",
    ),
    _definition(
        "mlperf-ad",
        Task((640,), "<f4", _unchanged),
        ("normal", "anomaly"),
        0.85,
        "Anomaly detection: 248 files of 200 frames of 128 float32 log-mel energies of ToyADMOS "
        "ToyCar (ad01). Each file gives windows of 2560 bytes every 512 (196 of them), its score "
        "is the mean squared reconstruction error over its windows. Label lines may carry window "
        "and stride: `file,classes,label,2560,512`.",
        "windows of 5 frames, every frame; values unchanged",
        windowed_files,
    ),
)
