"""``hilbench ls``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, nargs="?", help="results folder (./results)")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.errors import UsageError
    from hilbench.reports.terminal import run_list, run_rows, study_rows
    from hilbench.store import list_bundles
    from hilbench.store.study import list_studies

    if options.out is None:
        options.out = Path("results")
    elif not options.out.is_dir():
        raise UsageError(f"{options.out} is no folder")
    rows = run_rows(list_bundles(options.out)) + study_rows(list_studies(options.out))
    rows.sort(key=lambda row: row["run"])
    if options.json:
        console.show_json(rows)
    else:
        console.show(run_list(rows))
    return 0
