"""``hilbench workloads``."""

from __future__ import annotations

import argparse

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench import workloads
    from hilbench.reports.terminal import workload_list, workload_rows

    entries = [workloads.get(name) for name in workloads.names()]
    if options.json:
        console.show_json(workload_rows(entries))
    else:
        console.show(workload_list(entries))
    return 0
