"""The order of examples."""

from __future__ import annotations

import numpy as np

from hilbench.workloads.workload import Examples


def shuffled(examples: Examples, seed: int) -> Examples:
    """In an order mixed with a seed: the first n vectors then show every class and group."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(examples))
    groups = None if examples.groups is None else examples.groups[order]
    return Examples(examples.values[order], examples.labels[order], groups)
