"""A small bundle on the disk, as a run leaves it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbench.store import Bundle

CLASSES = ["cat", "<b>dog</b>", "owl"]
SAMPLES = [(0, 0, 0), (1, 1, 2), (2, 2, 2), (3, 1, 1)]  # vector, label, prediction


def metric(value: float, origin: str, n: int = 1, **interval: float) -> dict[str, Any]:
    return {"value": value, "unit": "", "origin": origin, "n": n, "low": None, "high": None} | {
        **interval
    }


def plan() -> dict[str, Any]:
    return {
        "run": "20260101-000000-test",
        "board": "nucleo-f746",
        "board_title": "ST NUCLEO-F746ZG",
        "silicon_tested": False,
        "backend": "virtual",
        "created": "2026-01-01T00:00:00Z",
        "facts": {"ticks": "instructions", "time_base": "real", "silicon": False},
        "subject": {
            "model": "pets",
            "scheme": "w8a8",
            "firmware_sha256": "aa",
            "model_digest": "bb",
        },
        "workload": {
            "name": "pets",
            "classes": CLASSES,
            "vectors": 4,
            "vector_bytes": 12,
            "source": "here",
            "encoding": "none",
        },
        "image": {
            "inputs": [{"dtype": "int8", "shape": [1, 2, 2, 3]}],
            "output_elements": 3,
            "crc": 0x1234,
            "macs": 30,
            "ops": [{"name": "CONV_2D", "macs": 30}, {"name": "SOFTMAX", "macs": 0}],
        },
        "workload_identity": "cc",
        "subject_identity": "dd",
        "output_check": "every output",
        "repeat": 2,
        "warmup": 1,
    }


METRICS = {
    "stack_bytes": metric(948, "emulated"),
    "arena_bytes": metric(3072, "static"),
    "top1": metric(0.75, "emulated", 4, low=0.301, high=0.954),
    "instructions_per_inference": metric(1005.0, "emulated", 4, low=1000, high=1010),
}
PROVENANCE = {
    "hello": {
        "firmware_digest": "ee",
        "engine": "hilbench",
        "engine_version": 0x0102,
        "core_clock_hz": 216_000_000,
        "wait_states": 7,
        "clock_flags": [],
        "unique_id": "ff",
    },
    "link": {"baud": 921600, "rx_mode": "dma"},
    "prepared": {"notes": ["flashed & verified"]},
    "host": {"python": "3.11"},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Three classes, four vectors, one wrong; a class name that is markup."""
    verdict = {
        "status": "degraded",
        "reasons": ["windows: 1 of 4 were interrupted"],
        "checks": [{"name": "outputs", "seen": "4 of 4 outputs equal the host's reference"}],
    }
    content = {"metrics": METRICS, "verdict": verdict}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    (tmp_path / "provenance.json").write_text(json.dumps(PROVENANCE))
    with (tmp_path / "samples.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("vector", "label", "prediction", "retransmissions", "mismatch"))
        writer.writerows((*sample, 0, 0) for sample in SAMPLES)
    with (tmp_path / "windows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("vector", "repeat", "ticks", "instructions", "interrupts", "mismatch"))
        writer.writerows((v, k, 1013 + v, 1000 + v, 0, 0) for v in range(2) for k in range(2))
    np.save(tmp_path / "inputs.npy", np.arange(48, dtype=np.uint8).reshape(4, 12))
    return Bundle(tmp_path, plan(), sealed=True)
