"""The quantizer's process: ``python -m hilbench.schemes.ai_edge_worker PACKAGE FOLDER``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(package: str, name: str) -> None:
    """Read model, recipe and calibration vectors of the folder, write ``quantized.tflite``."""
    folder = Path(name)
    model = (folder / "float.tflite").read_bytes()
    quantizer: Any = importlib.import_module(f"{package}.quantizer")
    work = quantizer.Quantizer(model)
    work.load_quantization_recipe(json.loads((folder / "recipe.json").read_text()))
    statistics = None
    if (folder / "calibration.npy").exists():
        vectors = np.load(folder / "calibration.npy")
        signature, tensor = _signature(model)
        # one thread, in order: the same ranges every time
        feed = {signature: [{tensor: vector} for vector in vectors]}
        statistics = work.calibrate(feed, num_threads=1)
    result = work.quantize(statistics, enable_progress_report=False)
    (folder / "quantized.tflite").write_bytes(bytes(result.quantized_model))


def _signature(model: bytes) -> tuple[str, str]:
    """The first signature and its first input."""
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=model).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


if __name__ == "__main__":
    main(*sys.argv[1:])
