"""``hilbench boards``."""

from __future__ import annotations

import argparse

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.boards import load_catalogue
    from hilbench.reports.terminal import board_list, board_rows

    boards = list(load_catalogue().values())
    if options.json:
        console.show_json(board_rows(boards))
    else:
        console.show(board_list(boards))
    return 0
