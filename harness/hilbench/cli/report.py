"""``hilbench report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="folder of a run")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the HTML report there")


def execute(options: argparse.Namespace) -> int:
    from hilbench.errors import BundleError
    from hilbench.reports.html import render_html
    from hilbench.reports.summary import summary
    from hilbench.reports.terminal import result_table
    from hilbench.store import open_bundle
    from hilbench.store.files import write_atomically

    bundle = open_bundle(options.bundle)
    if not bundle.sealed:
        raise BundleError(
            f"{options.bundle} is an interrupted run", hint=f"hilbench resume {options.bundle}"
        )
    if options.html is not None:
        write_atomically(options.html, render_html(bundle).encode())
        console.note(f"report: {options.html}")
    if options.json:
        console.show_json(summary(bundle))
    else:
        console.show(result_table(bundle))
    return 0
