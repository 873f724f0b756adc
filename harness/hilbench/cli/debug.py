"""``hilbench debug``: which layer, channel and element of a deployed model goes wrong first."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console
from hilbench.cli.run import add_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", required=True, metavar="ID", help="see `hilbench boards`")
    parser.add_argument("--backend", metavar="NAME", help="silicon, virtual or qemu")
    parser.add_argument("--device", metavar="NAME", help="which one, when several boards match")
    parser.add_argument("--workload", metavar="NAME", help="default: digits")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .tflite")
    add_weights(parser)
    parser.add_argument("--inputs", type=Path, metavar="DIR|FILE", help="your own vectors")
    parser.add_argument("--vectors", type=int, default=3, metavar="N", help="how many to try (3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random vectors (0)")
    parser.add_argument(
        "--deadline", type=float, default=60.0, metavar="S", help="longest silence, s (60)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="DIR", help="results folder"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.bench.plan import RunOptions, resolve
    from hilbench.bench.run import run
    from hilbench.errors import MeasurementError
    from hilbench.reports.debug import debug_json, debug_table

    plan = resolve(
        RunOptions(
            board=options.board,
            backend=options.backend,
            device=options.device,
            workload=options.workload,
            model=options.model,
            inputs=options.inputs,
            vectors=options.vectors,
            modes=("debug",),
            seed=options.seed,
            weights=options.weights,
            decode=options.decode,
            optimize=options.optimize,
            out=options.out,
            deadline_s=options.deadline,
        )
    )
    with console.progress_bars() as progress:
        bundle = run(plan, progress, console.note)
    found = debug_json(bundle)
    if options.json:
        console.show_json(found)
    else:
        console.show(debug_table(bundle))
        console.note(f"bundle: {bundle.folder}")
    if not found["equal"]:
        raise MeasurementError(
            "the device and the host's reference differ: " + found["summary"],
            hint="both outputs of that layer are kept: "
            f"{bundle.folder}/difference-device.npy and difference-reference.npy",
        )
    return 0
