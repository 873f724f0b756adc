"""What a study finds out before it runs: the sensitivity of layers, and the mix ``auto``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import workloads
from hilbench.bench.auto import Budget, describe, search_mix
from hilbench.bench.candidates import Judge
from hilbench.bench.sensitivity import measure_sensitivity
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.errors import UsageError

#: The scheme that is searched for.
AUTO = "auto"


def make_judge(
    board: str,
    workload: str | None,
    float_model: bytes,
    calibration: NDArray[np.float32] | None,
    optimize: str,
) -> Judge:
    """The judge of a study's mixes.

    Raises
    ------
    UsageError
        No workload: vectors of one's own have no validation part.
    """
    if workload is None:
        raise UsageError(
            "layers are judged by a workload's validation part, and no workload is given",
            hint="give --workload; `hilbench workloads` lists them",
        )
    found = find_board(load_catalogue(), board)
    return Judge(float_model, calibration, workloads.get(workload), found, optimize)


def sensitivity_of(judge: Judge, scheme: str | None) -> dict[str, Any] | None:
    """:func:`measure_sensitivity` where it was asked for."""
    return None if scheme is None else measure_sensitivity(judge, scheme)


def find_auto(judge: Judge, budget: Budget) -> tuple[bytes, dict[str, Any]]:
    """The .tflite of the mix that holds a budget, and its description."""
    found = search_mix(judge, budget)
    return found.candidate.content, describe(judge, budget, found)
