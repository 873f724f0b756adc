"""``hilbench doctor``: findings with remedies, and the first-contact run of a board."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    parser.add_argument("--out", type=Path, default=Path("results"), help="results folder")
    acceptance = parser.add_argument_group("first contact with a board")
    acceptance.add_argument(
        "--acceptance",
        action="store_true",
        help="flash, read-back, clock, link at each baud rate, 1,000 repeats, every layer; "
        "leaves a bundle to send back",
    )
    acceptance.add_argument("--board", metavar="ID", help="which board")
    acceptance.add_argument("--backend", metavar="NAME", help="virtual: a rehearsal")
    acceptance.add_argument("--device", metavar="NAME", help="which one, when several match")
    acceptance.add_argument("--dry-run", action="store_true", help="print the plan, touch nothing")


def execute(options: argparse.Namespace) -> int:
    if options.acceptance:
        return _acceptance(options)
    from hilbench.bench.doctor import examine
    from hilbench.boards import load_catalogue
    from hilbench.boards.catalogue import find_board
    from hilbench.reports.terminal import finding_list

    catalogue = load_catalogue()
    if options.board is not None:
        find_board(catalogue, options.board)
    findings = examine(catalogue, options.out)
    if options.json:
        console.show_json([asdict(finding) for finding in findings])
    else:
        console.show(finding_list(findings))
    return 0


def _acceptance(options: argparse.Namespace) -> int:
    from hilbench.bench.plan import ACCEPTANCE_MODES, PERFORMANCE_VECTORS, RunOptions, resolve
    from hilbench.bench.run import run
    from hilbench.boards.acceptance import accept_board
    from hilbench.cli.run import show_bundle
    from hilbench.errors import UsageError

    if options.board is None:
        raise UsageError("--acceptance needs --board")
    plan = resolve(
        RunOptions(
            board=options.board,
            backend=options.backend,
            device=options.device,
            modes=ACCEPTANCE_MODES,
            repeat=1000 // PERFORMANCE_VECTORS,
            out=options.out,
        )
    )
    if options.dry_run:
        console.show_json(plan.to_json())
        return 0
    with console.progress_bars() as progress:
        bundle = run(plan, progress, console.note)
    code = show_bundle(bundle, options.json)
    if not plan.spec.facts.silicon:
        console.note("a rehearsal: only a run on silicon accepts a board")
        return code
    if bundle.metrics["verdict"]["status"] == "valid":
        accept_board(plan.board.id, bundle.run)
        console.note(f"{plan.board.id} is now marked as tested on silicon here")
    console.note(f"please send back the folder {bundle.folder}")
    return code
