"""Augmentation hooks of :class:`~hilbench.schemes.training.Recipe`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Augment = Callable[[Array, np.random.Generator], Array]


def shifted(rows: int, columns: int) -> Augment:
    """Each example (H, W, C) moved by up to ``rows`` and ``columns`` positions, zeros moving in."""

    def augment(x: Array, rng: np.random.Generator) -> Array:
        height, width = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
        if rows == columns:
            down, right = rng.integers(0, 2 * rows + 1, (2, len(x)))
        else:
            down = rng.integers(0, 2 * rows + 1, len(x))
            right = rng.integers(0, 2 * columns + 1, len(x))
        return np.stack(
            [
                padded[i, r : r + height, c : c + width]
                for i, (r, c) in enumerate(zip(down, right, strict=True))
            ]
        )

    return augment


def scaled(spread: float) -> Augment:
    """Each example times a factor, uniform in 1 - spread to 1 + spread."""

    def augment(x: Array, rng: np.random.Generator) -> Array:
        factors = rng.uniform(1 - spread, 1 + spread, len(x)).astype(x.dtype)
        result: Array = x * factors.reshape(-1, *([1] * (x.ndim - 1)))
        return result

    return augment


def noisy(deviation: float) -> Augment:
    """Gaussian noise added."""

    def augment(x: Array, rng: np.random.Generator) -> Array:
        result: Array = x + rng.normal(0.0, deviation, x.shape).astype(x.dtype)
        return result

    return augment


def chained(augments: Sequence[Augment]) -> Augment:
    """One after the other."""

    def augment(x: Array, rng: np.random.Generator) -> Array:
        for one in augments:
            x = one(x, rng)
        return x

    return augment
