"""Seeded random vectors: for models that come without data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models import Graph
from hilbench.workloads.encoding import as_bytes
from hilbench.workloads.vectors import Vectors


def random_vectors(graph: Graph, n: int, seed: int) -> Vectors:
    """``n`` uniform random vectors for a model, without labels.

    int8 inputs take every value from -128 to 127, float inputs values in [0, 1).  Vector i does
    not depend on ``n``.
    """
    rows = []
    for i in range(n):
        rng = np.random.Generator(np.random.PCG64([seed, i]))
        parts: list[NDArray[np.uint8]] = []
        for tensor in graph.inputs:
            if tensor.dtype == "int8":
                parts.append(as_bytes(rng.integers(-128, 128, (1, tensor.elements), dtype=np.int8)))
            else:
                parts.append(as_bytes(rng.random((1, tensor.elements), dtype=np.float32)))
        rows.append(np.concatenate(parts, axis=1))
    vectors = np.concatenate(rows) if rows else np.zeros((0, graph.vector_bytes), np.uint8)
    return Vectors(
        name="random",
        vectors=vectors,
        labels=None,
        encoding=f"uniform random, seed {seed}: int8 -128..127, float32 in [0, 1)",
        task="random",
        source="PCG64, seeded with (seed, vector number)",
    )
