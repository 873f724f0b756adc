"""``hilbench devices``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.backends.ports import list_ports, same_probe
    from hilbench.backends.probe import list_probes
    from hilbench.backends.silicon import matching_devices
    from hilbench.boards import load_catalogue
    from hilbench.reports.terminal import device_list

    probes, ports = list_probes(), list_ports()
    boards = [board for board in load_catalogue().values() if board.probe is not None]
    rows = []
    for board in boards:
        for device in matching_devices(board, probes):
            port = device.port or next(
                (p.device for p in ports if same_probe(p.serial_number, device.probe)), None
            )
            rows.append({**asdict(device), "port": port})
    if options.json:
        console.show_json(
            {
                "devices": rows,
                "probes": [asdict(probe) for probe in probes],
                "ports": [asdict(port) for port in ports],
            }
        )
    else:
        console.show(device_list(rows, probes, ports))
    return 0
