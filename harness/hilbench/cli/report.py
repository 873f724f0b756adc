"""``hilbench report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="folder of a run or a study")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the HTML report there")


def execute(options: argparse.Namespace) -> int:
    from hilbench.errors import BundleError
    from hilbench.reports.html import render_html
    from hilbench.reports.summary import summary
    from hilbench.reports.terminal import result_table
    from hilbench.store import open_bundle
    from hilbench.store.files import write_atomically
    from hilbench.store.study import is_study

    if is_study(options.bundle):
        return _report_study(options)
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


def _report_study(options: argparse.Namespace) -> int:
    from hilbench.errors import BundleError
    from hilbench.reports.study_html import render_study
    from hilbench.reports.study_table import study_table
    from hilbench.store.files import write_atomically
    from hilbench.store.study import open_study

    study = open_study(options.bundle)
    if not study.sealed:
        raise BundleError(
            f"{options.bundle} is an interrupted study", hint=f"hilbench resume {options.bundle}"
        )
    results = study.results()
    if options.html is not None:
        write_atomically(options.html, render_study(study, results).encode())
        console.note(f"report: {options.html}")
    if options.json:
        console.show_json({**results, "folder": str(study.folder)})
    else:
        console.show(study_table(results))
    return 0
