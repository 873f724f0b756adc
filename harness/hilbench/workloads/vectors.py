"""Vectors ready for the device, with labels, provenance and identity."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace

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
    digest : str
        SHA-256, hex, of what is asked: task, metric, encoding, vectors and labels.  Computed when
        not given.
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
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self._identity())

    def __len__(self) -> int:
        return len(self.vectors)

    def first(self, n: int) -> Vectors:
        """The first ``n`` vectors (all, when there are fewer), with an identity of their own."""
        if n >= len(self.vectors):
            return self
        labels = None if self.labels is None else self.labels[:n]
        return replace(self, vectors=self.vectors[:n], labels=labels, digest="")

    def _identity(self) -> str:
        state = hashlib.sha256()
        for text in (self.task, self.metric, self.encoding):
            raw = text.encode()
            state.update(struct.pack("<Q", len(raw)) + raw)
        state.update(struct.pack("<QQ", *self.vectors.shape))
        state.update(np.ascontiguousarray(self.vectors).tobytes())
        if self.labels is not None:
            state.update(b"labels" + self.labels.astype("<i8").tobytes())
        return state.hexdigest()
