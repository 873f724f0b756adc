"""The quantizer's process: ``python -m hilbench.schemes.ai_edge_worker PACKAGE FOLDER``."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(package: str, name: str) -> None:
    """Read model, recipes and calibration vectors of the folder; write ``N.tflite`` for each
    recipe, or ``N.txt`` with the reason why there is none."""
    folder = Path(name)
    model = (folder / "float.tflite").read_bytes()
    quantizer: Any = importlib.import_module(f"{package}.quantizer")
    asked = json.loads((folder / "recipes.json").read_text(encoding="utf-8"))
    statistics = None
    if (folder / "calibration.npy").exists():
        vectors = np.load(folder / "calibration.npy")
        signature, tensor = _signature(model)
        # one thread, in order: the same ranges every time
        feed = {signature: [{tensor: vector} for vector in vectors]}
        work = quantizer.Quantizer(model)
        work.load_quantization_recipe(asked["calibrated_by"])
        statistics = work.calibrate(feed, num_threads=1)
    for number, recipe in enumerate(asked["recipes"]):
        work = quantizer.Quantizer(model)
        work.load_quantization_recipe(recipe)
        try:
            result = work.quantize(copy.deepcopy(statistics), enable_progress_report=False)
        except Exception as error:  # whatever the library raises belongs to this recipe
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            (folder / f"{number}.txt").write_text(reason, encoding="utf-8")
            continue
        (folder / f"{number}.tflite").write_bytes(bytes(result.quantized_model))


def _signature(model: bytes) -> tuple[str, str]:
    """The first signature and its first input."""
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=model).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


if __name__ == "__main__":
    main(*sys.argv[1:])
