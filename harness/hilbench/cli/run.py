"""``hilbench run``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hilbench.cli import console

MODES = ("accuracy", "performance", "energy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what runs where")
    what.add_argument("--board", required=True, metavar="ID", help="see `hilbench boards`")
    what.add_argument("--backend", metavar="NAME", help="silicon, virtual or qemu")
    what.add_argument("--device", metavar="NAME", help="which one, when several boards match")
    what.add_argument(
        "--workload", metavar="NAME", help="default: digits (see `hilbench workloads`)"
    )
    what.add_argument("--model", type=Path, metavar="FILE", help="a .tflite; alone: random vectors")
    add_weights(what)
    what.add_argument("--inputs", type=Path, metavar="DIR|FILE", help="your own vectors")
    what.add_argument("--labels", type=Path, metavar="CSV", help="file,label or file,classes,label")
    how = parser.add_argument_group("how it is measured")
    how.add_argument(
        "--mode", action="append", choices=MODES, help="repeatable; default: accuracy, performance"
    )
    how.add_argument("--vectors", type=int, metavar="N", help="at most N vectors (random: 10)")
    how.add_argument(
        "--performance-vectors", type=int, default=50, metavar="N", help="timed vectors (50)"
    )
    how.add_argument(
        "--repeat", type=int, default=2, metavar="N", help="timed inferences per vector (2)"
    )
    how.add_argument(
        "--warmup", type=int, default=1, metavar="N", help="untimed ones before them (1)"
    )
    how.add_argument("--seed", type=int, default=0, metavar="N", help="of random vectors (0)")
    how.add_argument(
        "--deadline",
        type=float,
        default=60.0,
        metavar="S",
        help="longest silence of the device, s (60)",
    )
    how.add_argument(
        "--require-target",
        action="store_true",
        help="exit 1 when the workload's quality target is missed",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="results folder (./results)",
    )
    output.add_argument("--json", action="store_true", help="one JSON object on stdout")
    output.add_argument("--dry-run", action="store_true", help="print the plan, touch nothing")


def add_weights(group: Any) -> None:
    """Options that say how weights are stored, and what the image may spend (``models.pack``)."""
    group.add_argument(
        "--weights",
        choices=("plain", "fp8", "huffman", "fp8-huffman"),
        default="plain",
        help="how the image stores them (plain: as the file does)",
    )
    group.add_argument(
        "--decode",
        choices=("layer", "once"),
        default="layer",
        help="huffman: before each use, or once into RAM (layer)",
    )
    group.add_argument(
        "--optimize",
        choices=("size", "speed"),
        default="size",
        help="speed: kernels that spend flash or RAM (size)",
    )


def execute(options: argparse.Namespace) -> int:
    from hilbench.bench.plan import RunOptions, resolve
    from hilbench.bench.run import run

    plan = resolve(
        RunOptions(
            board=options.board,
            backend=options.backend,
            device=options.device,
            workload=options.workload,
            model=options.model,
            inputs=options.inputs,
            labels=options.labels,
            vectors=options.vectors,
            performance_vectors=options.performance_vectors,
            modes=tuple(options.mode or ()),
            repeat=options.repeat,
            warmup=options.warmup,
            seed=options.seed,
            weights=options.weights,
            decode=options.decode,
            optimize=options.optimize,
            out=options.out,
            deadline_s=options.deadline,
        )
    )
    if options.dry_run:
        console.show_json(plan.to_json())
        return 0
    with console.progress_bars() as progress:
        bundle = run(plan, progress, console.note)
    return show_bundle(bundle, options.json, options.require_target)


def show_bundle(bundle: Any, as_json: bool, require_target: bool = False) -> int:
    """Show a sealed bundle and turn its verdict into an exit code."""
    from hilbench.errors import MeasurementError
    from hilbench.reports.summary import summary
    from hilbench.reports.terminal import result_table

    content = summary(bundle)
    if as_json:
        console.show_json(content)
    else:
        console.show(result_table(bundle))
        console.note(f"bundle: {bundle.folder}")
        console.note(f"report: {bundle.folder / 'report.html'}")
    if content["verdict"] == "invalid":
        raise MeasurementError(
            "the measurement is invalid: " + "; ".join(content["reasons"]),
            hint=f"the bundle is kept for looking into it: {bundle.folder}",
        )
    if require_target:
        _require_target(bundle, content["metrics"])
    return 0


def _require_target(bundle: Any, metrics: dict[str, Any]) -> None:
    """Raise QualityTargetMissed unless the workload's metric reaches its target."""
    from hilbench.errors import QualityTargetMissed
    from hilbench.units import REGISTRY, format_value

    key, target = bundle.plan["workload"]["metric"], bundle.plan["quality_target"]
    seen = metrics.get(key)
    if target is not None and seen is not None and seen["value"] < target:
        raise QualityTargetMissed(
            f"{REGISTRY[key].title} is {format_value(key, seen['value'])}, "
            f"the target is {format_value(key, target)}"
        )
