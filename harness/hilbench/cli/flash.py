"""``hilbench flash``: firmware (and an image) onto a device, verified."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hilbench.cli import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", required=True, metavar="ID")
    parser.add_argument("--backend", metavar="NAME", help="silicon or virtual")
    parser.add_argument("--device", metavar="NAME", help="which one, when several match")
    parser.add_argument("--firmware", type=Path, metavar="ELF", help="instead of the prebuilt one")
    parser.add_argument("--model", type=Path, metavar="FILE", help="its image too")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")


def execute(options: argparse.Namespace) -> int:
    from hilbench import models, workloads
    from hilbench.backends.base import create_backend
    from hilbench.bench.plan import check_device, check_fit, choose_backend
    from hilbench.boards import load_catalogue
    from hilbench.boards.catalogue import find_board
    from hilbench.boards.firmware import load_firmware, read_elf
    from hilbench.errors import UsageError

    board = find_board(load_catalogue(), options.board)
    spec = choose_backend(board, options.backend)
    check_device(spec, options.device)
    if board.probe is None:
        raise UsageError(
            f"there is nothing to flash: {spec.name} loads firmware and image whenever it starts"
        )
    prebuilt = load_firmware(board.firmware)
    firmware = read_elf(options.firmware) if options.firmware else prebuilt
    model = options.model or workloads.get("digits").default_model
    image = models.pack(models.load(model), isa=board.isa)
    check_fit(board, prebuilt, image)
    content: dict[str, Any] = {
        "schema": "hilbench-flash-1",
        "board": board.id,
        "backend": spec.name,
        "firmware": str(firmware.elf),
        "firmware_digest": firmware.digest.hex(),
        "model": str(model),
        "image_bytes": len(image.data),
        "done": False,
    }
    if not options.dry_run:
        backend = create_backend(board, spec.name, options.device)
        try:
            content["device"] = backend.acquire()
            with console.progress_bars() as progress:
                prepared = backend.prepare(firmware, image.data, progress)
            content |= {"done": True, "notes": list(prepared.notes)}
        finally:
            backend.close()
    if options.json or options.dry_run:
        console.show_json(content)
    else:
        console.show("\n".join(content["notes"]))
    return 0
