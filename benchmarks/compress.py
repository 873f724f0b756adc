"""The bars of ``hilbench compress`` on digits, over five seeds.

    python benchmarks/compress.py [--board nucleo-f746 --backend virtual] [--out DIR] [--again]

Each seed is a process of its own with one BLAS thread.  ``--again`` repeats the first seed without
a board in a second folder and compares the bytes of every model.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(5)
#: lineage -> (smallest factor, largest loss in points), both of the median.
BARS = {"small": (12.0, 1.0), "same": (5.0, 1.0)}
MAX_TEACHER_PARAMETERS = 25_000


def run_seed(seed: int, out: Path, board: list[str]) -> dict[str, Any]:
    """``compress.json`` of one seed."""
    paths = [str(ROOT / "harness"), os.environ.get("PYTHONPATH", "")]
    where = ["--seed", str(seed), "--out", str(out), "--json", *board]
    subprocess.run(
        [sys.executable, "-m", "hilbench", "compress", "--workload", "digits", *where],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    result: dict[str, Any] = json.loads((out / "compress.json").read_text())
    return result


def line(result: dict[str, Any]) -> str:
    """One seed in a line."""
    teacher = result["stages"][0]
    parts = [
        f"seed {result['settings']['seed']}: teacher {teacher['parameters']:,} parameters, "
        f"{100 * teacher['top1']['value']:.1f} %"
    ]
    for lineage in BARS:
        s = result["summary"][lineage]
        shift, low, high = (100 * s[k] for k in ("accuracy_shift", "low", "high"))
        parts.append(
            f"{lineage} {s['image_bytes']:,} B, {s['factor']:.1f} x, "
            f"{shift:+.1f} [{low:+.1f}, {high:+.1f}] points"
        )
    for entry in result["summary"]["aware_vs_post_training"]:
        parts.append(
            f"{entry['stage']} against PTQ {100 * entry['accuracy_shift']:+.1f} points, "
            f"p = {entry['mcnemar_p']:.3g}"
        )
    devices = [stage["device"] for stage in result["stages"]]
    if None not in devices:
        wrong = sum(device["output_mismatches"]["value"] for device in devices)
        parts.append(f"{wrong:.0f} outputs differ on the device")
    return "; ".join(parts)


def missed(results: list[dict[str, Any]]) -> list[str]:
    """Bars that the medians miss; prints them all."""
    failures = []
    for lineage, (factor, loss) in BARS.items():
        entries = [result["summary"][lineage] for result in results]
        got = median(e["factor"] for e in entries)
        lost = -100 * median(e["accuracy_shift"] for e in entries)
        print(f"median {lineage}: {got:.1f} x (bar {factor:g}), loss {lost:+.2f} points ({loss:g})")
        if got < factor or lost > loss:
            failures.append(lineage)
    if any(r["stages"][0]["parameters"] > MAX_TEACHER_PARAMETERS for r in results):
        failures.append("teacher")
    return failures


def same_bytes(first: Path, second: Path) -> list[str]:
    """Models that differ."""
    names = sorted(path.name for path in first.glob("*.tflite"))
    return [n for n in names if (first / n).read_bytes() != (second / n).read_bytes()]


def main() -> int:
    """Print the table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board")
    parser.add_argument("--backend")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    board = ["--board", options.board] if options.board else []
    board += ["--backend", options.backend] if options.backend else []
    out = options.out or Path(tempfile.mkdtemp(prefix="hilbench-compress-"))
    results = []
    for seed in SEEDS:
        results.append(run_seed(seed, out / f"seed-{seed}", board))
        print(line(results[-1]), flush=True)
    failures = missed(results)
    if options.again:
        run_seed(0, out / "again", [])
        differ = same_bytes(out / "seed-0", out / "again")
        print(f"seed 0 again: {'the same bytes' if not differ else ', '.join(differ)}")
        failures += differ
    print("missed: " + ", ".join(failures) if failures else "every bar is met")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main())
