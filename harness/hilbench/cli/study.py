"""``hilbench study``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is compared where")
    what.add_argument("--board", required=True, metavar="ID", help="see `hilbench boards`")
    what.add_argument("--backend", metavar="NAME", help="silicon, virtual or qemu")
    what.add_argument("--device", metavar="NAME", help="which one, when several boards match")
    what.add_argument(
        "--workload", metavar="NAME", help="default: digits (see `hilbench workloads`)"
    )
    what.add_argument(
        "--model", type=Path, metavar="FILE", help="a float .tflite; default: the workload's own"
    )
    what.add_argument(
        "--schemes",
        metavar="LIST",
        help="by comma, the reference first: names (f32,w8a8,...), auto, your own .tflite files",
    )
    what.add_argument("--inputs", type=Path, metavar="DIR|FILE", help="your own vectors")
    what.add_argument("--labels", type=Path, metavar="CSV", help="file,label or file,classes,label")
    what.add_argument(
        "--calibration", type=Path, metavar="FILE", help=".npy of real values, for your own vectors"
    )
    how = parser.add_argument_group("how it is measured")
    how.add_argument("--vectors", type=int, metavar="N", help="at most N vectors")
    how.add_argument(
        "--performance-vectors", type=int, default=50, metavar="N", help="timed vectors (50)"
    )
    how.add_argument(
        "--rounds",
        type=int,
        default=2,
        metavar="N",
        help="visits of each scheme to the board, every other round backwards (2)",
    )
    how.add_argument("--repeat", type=int, default=2, metavar="N", help="timed per vector (2)")
    how.add_argument("--warmup", type=int, default=1, metavar="N", help="untimed before them (1)")
    how.add_argument("--decode", choices=("layer", "once"), default="layer", help="huffman: when")
    how.add_argument("--optimize", choices=("size", "speed"), default="size", help="kernels' aim")
    how.add_argument("--deadline", type=float, default=60.0, metavar="S", help="longest silence, s")
    layers = parser.add_argument_group("layer by layer, judged on the validation part")
    layers.add_argument(
        "--sensitivity", metavar="SCHEME", help="what each layer loses when it alone has this one"
    )
    for limit, unit, text in (
        ("flash", "BYTES", "flash, image and kernels"),
        ("arena", "BYTES", "RAM of the arena"),
        ("instructions", "N", "instructions of an inference, as estimated"),
    ):
        layers.add_argument(
            f"--max-{limit}", type=int, metavar=unit, help=f"budget of auto: {text}"
        )
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, default=Path("results"), metavar="DIR")
    output.add_argument("--json", action="store_true", help="one JSON object on stdout")
    output.add_argument("--dry-run", action="store_true", help="print the plan, touch nothing")


def execute(options: argparse.Namespace) -> int:
    import tempfile

    from hilbench.bench.auto import Budget
    from hilbench.bench.study import run_study
    from hilbench.bench.study_plan import DEFAULT_SCHEMES, StudyOptions, resolve_study

    named = [name.strip() for name in (options.schemes or "").split(",") if name.strip()]
    asked = StudyOptions(
        board=options.board,
        backend=options.backend,
        device=options.device,
        workload=options.workload,
        model=options.model,
        inputs=options.inputs,
        labels=options.labels,
        calibration=options.calibration,
        schemes=tuple(named) if options.schemes is not None else DEFAULT_SCHEMES,
        vectors=options.vectors,
        performance_vectors=options.performance_vectors,
        rounds=options.rounds,
        repeat=options.repeat,
        warmup=options.warmup,
        decode=options.decode,
        optimize=options.optimize,
        out=options.out,
        deadline_s=options.deadline,
        sensitivity=options.sensitivity,
        budget=Budget(options.max_flash, options.max_arena, options.max_instructions),
    )
    with tempfile.TemporaryDirectory(prefix="hilbench-study-") as work:
        study = resolve_study(asked, Path(work))
        if options.dry_run:
            console.show_json(study.to_json())
            return 0
        with console.progress_bars() as progress:
            folder = run_study(study, progress, console.note)
    return show_study(folder, options.json)


def show_study(folder: Any, as_json: bool) -> int:
    """Show a sealed study; an invalid subject is an error, after everything was shown."""
    from hilbench.errors import MeasurementError
    from hilbench.reports.study_table import study_table

    results = folder.results()
    if as_json:
        console.show_json({**results, "folder": str(folder.folder)})
    else:
        console.show(study_table(results))
        console.note(f"study: {folder.folder}")
        console.note(f"report: {folder.folder / 'report.html'}")
    invalid = [row["name"] for row in results["subjects"] if row["verdict"] == "invalid"]
    if invalid:
        raise MeasurementError(
            f"the measurement of {', '.join(invalid)} is invalid",
            hint=f"the bundles are kept for looking into it: {folder.folder}",
        )
    return 0
