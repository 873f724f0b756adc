"""Writes tests/golden/digits_layers.json: what every layer of the shipped models must give.

    python tools/golden_layers.py

The int8 values come from the tflite-micro interpreter, not from us.  The float values come from
our reference interpreter, whose layers equal LiteRT's reference kernels byte for byte up to the
softmax (tests/unit/models/test_oracle.py).  Run it only when a shipped model changes, and review
the difference.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "harness"), str(ROOT / "tests" / "unit" / "models")]

import oracle  # noqa: E402

from hilbench import models, workloads  # noqa: E402
from hilbench.models import writer  # noqa: E402

#: Vectors whose layers are listed one by one; the rest enters the checksum over all.
SINGLE_VECTORS = 8


def layers(scheme: str) -> tuple[str, str, list[NDArray[Any]]]:
    """Digest of the model, source of the values, and each operator's outputs (n, ...)."""
    workload = workloads.get("digits")
    graph = models.load(workload.model_path(scheme))
    vectors = workload.vectors(graph).vectors
    outputs = tuple(op.outputs[0] for op in graph.operators)
    if scheme == "f32":
        values = models.run_tensors(graph, vectors)
        return graph.digest, "hilbench reference interpreter", [values[i] for i in outputs]
    exposed = writer.write(replace(graph, output_indices=outputs))
    feed = vectors.view(np.int8).reshape(-1, *graph.inputs[0].shape)
    rows = oracle.tflm_outputs(exposed, [feed], len(outputs))
    source = f"tflite-micro {version('tflite-micro')}"
    return graph.digest, source, [np.stack([row[k] for row in rows]) for k in range(len(outputs))]


def main() -> int:
    """Write the file."""
    golden: dict[str, Any] = {}
    for scheme in ("w8a8", "f32"):
        digest, source, outputs = layers(scheme)
        golden[scheme] = {
            "model_sha256": digest,
            "source": source,
            "vectors": len(outputs[0]),
            "all_vectors_crc32": [zlib.crc32(layer.tobytes()) for layer in outputs],
            "first_vectors_crc32": [
                [zlib.crc32(layer[i].tobytes()) for layer in outputs] for i in range(SINGLE_VECTORS)
            ],
        }
    path = ROOT / "tests" / "golden" / "digits_layers.json"
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
