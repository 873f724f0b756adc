"""ai-edge-quantizer, run in a process of its own.

It writes to both output streams and starts threads; a fault in it must not take a study with it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, ToolMissing

Recipe = list[dict[str, Any]]

DEADLINE_S = 600.0
#: The successor of the package has another name, and the same interface.
PACKAGES = ("ai_edge_quantizer", "litert_quantizer")


def quantizer_package() -> str:
    """Import name of the quantizer that is installed.

    Raises
    ------
    ToolMissing
        There is none.
    """
    for name in PACKAGES:
        if importlib.util.find_spec(name) is not None:
            return name
    raise ToolMissing(
        "quantizing needs the package ai-edge-quantizer",
        hint="nothing was touched; pip install 'hilbench[quantize]' (on other computers than "
        "x86-64 Linux: pip install ai-edge-quantizer, not tried)",
    )


def quantize_by(
    float_model: bytes, recipe: Recipe, calibration: NDArray[np.float32] | None
) -> bytes:
    """Quantize a float .tflite by a recipe.

    Parameters
    ----------
    float_model : bytes
        With a signature.
    recipe : list of dict
        Of ai-edge-quantizer.
    calibration : ndarray of float32, shape (n, *input shape), or None

    Raises
    ------
    ToolMissing
        No quantizer.
    ModelError
        It failed; the message has its last line.
    """
    (result,) = quantize_all(float_model, [recipe], recipe, calibration)
    if isinstance(result, ModelError):
        raise result
    return result


def quantize_all(
    float_model: bytes,
    recipes: Sequence[Recipe],
    calibrated_by: Recipe,
    calibration: NDArray[np.float32] | None,
) -> list[bytes | ModelError]:
    """:func:`quantize_by` for several recipes in one process, calibrated once.

    ``calibrated_by`` is a recipe whose operators have the activations of all others.  A recipe
    that the quantizer refuses has its error in the list.

    Raises
    ------
    ToolMissing
        No quantizer.
    ModelError
        Calibration failed, or the process as a whole.
    """
    package = quantizer_package()
    with tempfile.TemporaryDirectory(prefix="hilbench-quantize-") as name:
        folder = Path(name)
        (folder / "float.tflite").write_bytes(float_model)
        content = {"calibrated_by": calibrated_by, "recipes": list(recipes)}
        (folder / "recipes.json").write_text(json.dumps(content), encoding="utf-8")
        if calibration is not None:
            np.save(folder / "calibration.npy", calibration)
        command = [sys.executable, "-m", "hilbench.schemes.ai_edge_worker", package, name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DEADLINE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ModelError(f"{package} did not end within {DEADLINE_S:g} s") from None
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit code {done.returncode}"
            raise ModelError(f"{package} cannot quantize the model: {reason}")
        return [_result(folder, number, package) for number in range(len(recipes))]


def _result(folder: Path, number: int, package: str) -> bytes | ModelError:
    refused = folder / f"{number}.txt"
    if refused.exists():
        reason = refused.read_text(encoding="utf-8")
        return ModelError(f"{package} cannot quantize the model: {reason}")
    return (folder / f"{number}.tflite").read_bytes()
