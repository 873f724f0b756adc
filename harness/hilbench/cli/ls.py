"""``hilbench ls``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, nargs="?", default=Path("results"), help="results folder")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.reports.terminal import run_list, run_rows
    from hilbench.store import list_bundles

    bundles = list_bundles(options.out)
    if options.json:
        console.show_json(run_rows(bundles))
    else:
        console.show(run_list(bundles))
    return 0
