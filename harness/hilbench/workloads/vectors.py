"""Vectors ready for the device, with labels, provenance and identity."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Vectors:
    """Encoded vectors of a run.

    Attributes
    ----------
    name : str
        Name of the workload.
    vectors : ndarray of uint8, shape (n, vector bytes)
        All inputs of each vector, little-endian, one after the other.
    labels : ndarray of int64, shape (n,), or None
    encoding : str
        How the values became bytes, in words.
    task : str
        For example ``classification``.
    metric : str
        ``top1``, or empty without labels.
    classes : tuple of str
        Class names; empty = not known.
    target : float or None
        Quality target of the metric.
    source : str
        Where the data come from.
    preprocessing : str
        From the data's own units to the real values that a float model takes, in words.
    values : ndarray, shape (n, elements), or None
        The real values before encoding; None where the vectors came in the model's own type.
    files : ndarray of int64, shape (n,), or None
        Number of the file that each vector is a window of: scores are averaged over a file.  None:
        each vector stands for itself.
    synthetic : bool
        The data were generated, not recorded.
    view : str
        How a vector is shown: ``image``, ``waveform`` or ``row``.
    asked : str
        SHA-256, hex, of what is asked whatever answers: task, metric, preprocessing, real values
        and labels.  Equal for models of different input types.  Computed when not given.
    digest : str
        SHA-256, hex, of the encoded vectors and labels.  Computed when not given.
    """

    name: str
    vectors: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    encoding: str
    task: str = "classification"
    metric: str = ""
    classes: tuple[str, ...] = ()
    target: float | None = None
    source: str = ""
    preprocessing: str = ""
    values: NDArray[Any] | None = None
    files: NDArray[np.int64] | None = None
    synthetic: bool = False
    view: str = "row"
    asked: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.asked:
            values = self.vectors if self.values is None else self.values
            texts = [self.task, self.metric, self.preprocessing]
            if self.values is None:  # the bytes mean nothing without their encoding
                texts.append(self.encoding)
            object.__setattr__(self, "asked", _digest(texts, values, self.labels, self.files))
        if not self.digest:
            digest = _digest([self.encoding], self.vectors, self.labels, self.files)
            object.__setattr__(self, "digest", digest)

    def __len__(self) -> int:
        return len(self.vectors)

    def first(self, n: int) -> Vectors:
        """The first ``n`` vectors (all, when there are fewer), with an identity of their own."""
        if n >= len(self.vectors):
            return self
        return replace(
            self,
            vectors=self.vectors[:n],
            values=None if self.values is None else self.values[:n],
            labels=None if self.labels is None else self.labels[:n],
            files=None if self.files is None else self.files[:n],
            asked="",
            digest="",
        )


def _digest(
    texts: list[str],
    rows: NDArray[Any],
    labels: NDArray[np.int64] | None,
    files: NDArray[np.int64] | None,
) -> str:
    state = hashlib.sha256()
    for text in texts:
        raw = text.encode()
        state.update(struct.pack("<Q", len(raw)) + raw)
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    state.update(struct.pack("<QQ", *flat.shape) + flat.dtype.str.encode())
    state.update(flat.tobytes())
    if labels is not None:
        state.update(b"labels" + labels.astype("<i8").tobytes())
    if files is not None:
        state.update(b"files" + files.astype("<i8").tobytes())
    return state.hexdigest()
