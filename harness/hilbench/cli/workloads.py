"""``hilbench workloads``."""

from __future__ import annotations

import argparse

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show the card of one")
    parser.add_argument("--json", action="store_true", help="JSON on stdout: an array, or one")


def execute(options: argparse.Namespace) -> int:
    from hilbench import workloads
    from hilbench.reports.terminal import workload_card, workload_list, workload_rows

    if options.name is not None:
        workload = workloads.get(options.name)
        if options.json:
            console.show_json(workload_rows([workload])[0])
        else:
            console.show(workload_card(workload))
        return 0
    entries = [workloads.get(name) for name in workloads.names()]
    if options.json:
        console.show_json(workload_rows(entries))
    else:
        console.show(workload_list(entries))
    return 0
