"""Seeded random vectors: for models that come without data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models import Graph
from hilbench.workloads.encoding import as_bytes
from hilbench.workloads.vectors import Vectors


def random_vectors(graph: Graph, n: int, seed: int) -> Vectors:
    """``n`` uniform random vectors for a model, without labels.

    Integer inputs take every value of their type, float inputs values in [0, 1).  Vector i does not
    depend on ``n``.
    """
    rows = []
    for i in range(n):
        rng = np.random.Generator(np.random.PCG64([seed, i]))
        parts: list[NDArray[np.uint8]] = []
        for tensor in graph.inputs:
            shape = (1, tensor.elements)
            if tensor.dtype == "float32":
                parts.append(as_bytes(rng.random(shape, dtype=np.float32)))
            else:
                limits = np.iinfo(tensor.dtype)
                values = rng.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)
                parts.append(as_bytes(values))
        rows.append(np.concatenate(parts, axis=1))
    vectors = np.concatenate(rows) if rows else np.zeros((0, graph.vector_bytes), np.uint8)
    return Vectors(
        name="random",
        vectors=vectors,
        labels=None,
        encoding=f"uniform random, seed {seed}: integers of the whole type, float32 in [0, 1)",
        task="random",
        source="PCG64, seeded with (seed, vector number)",
    )
