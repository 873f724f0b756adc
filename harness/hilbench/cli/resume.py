"""``hilbench resume``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="folder of the interrupted run or study")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help="say what is left, touch nothing")


def execute(options: argparse.Namespace) -> int:
    from hilbench.bench.run import remaining, resume
    from hilbench.cli.run import show_bundle
    from hilbench.store.study import is_study

    if is_study(options.bundle):
        return _resume_study(options)
    if options.dry_run:
        console.show_json(remaining(options.bundle))
        return 0
    with console.progress_bars() as progress:
        bundle = resume(options.bundle, progress, console.note)
    return show_bundle(bundle, options.json)


def _resume_study(options: argparse.Namespace) -> int:
    from hilbench.bench.study import remaining_visits, resume_study
    from hilbench.cli.study import show_study

    if options.dry_run:
        console.show_json(remaining_visits(options.bundle))
        return 0
    with console.progress_bars() as progress:
        study = resume_study(options.bundle, progress, console.note)
    return show_study(study, options.json)
