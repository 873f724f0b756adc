"""``hilbench pack``: can the engine run this model, and what does it cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hilbench.cli import console
from hilbench.cli.run import add_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a .tflite file")
    parser.add_argument("--board", metavar="ID", help="for its kernels; default: for any board")
    add_weights(parser)
    parser.add_argument("--image", type=Path, metavar="FILE", help="write the image there")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def execute(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from hilbench import models
    from hilbench.boards import load_catalogue
    from hilbench.boards.catalogue import find_board
    from hilbench.boards.firmware import load_firmware
    from hilbench.models import op_cost
    from hilbench.reports.memory import memory_picture
    from hilbench.reports.terminal import estimate_note, pack_table
    from hilbench.store.files import write_atomically

    board = find_board(load_catalogue(), options.board) if options.board else None
    isa = board.isa if board is not None else ()
    graph = models.in_form(models.load(options.model), options.weights)
    coding = models.coding(options.weights, options.decode)
    image = models.pack(graph, isa=isa, coding=coding, optimize=options.optimize)
    scheme = models.scheme_name(graph, options.weights)
    min_flash = load_firmware(board.firmware).min_flash(image.kernels) if board else None
    group = op_cost.group_of(isa)
    estimated = op_cost.estimate_layers(image, group) if group is not None else []
    if options.image is not None:
        write_atomically(options.image, image.data)
        console.note(f"image: {options.image}")
    if options.json:
        console.show_json(
            {
                "schema": "hilbench-pack-1",
                "model": graph.name,
                "scheme": scheme,
                "optimize": options.optimize,
                "image_bytes": len(image.data),
                "arena_bytes": image.arena_bytes,
                "arena_lower_bound_bytes": image.arena_lower_bound_bytes,
                "arena": [asdict(place) for place in image.places],
                "macs": image.macs,
                "ops": _ops(image, estimated),
                "estimated_instructions": None if None in estimated else sum(estimated) or None,
                "estimate": op_cost.quality(group) if group is not None else None,
                "kernels": list(image.kernels),
                "engine_min_flash_bytes": min_flash,
            }
        )
    else:
        console.show(pack_table(graph.name, scheme, image, estimated))
        if board is not None:
            quality = op_cost.quality(group) if group is not None else None
            console.show(estimate_note(quality, estimated.count(None)))
        console.show(memory_picture(image))
        if board is not None and min_flash is not None:
            console.show(f"engine of these kernels: {min_flash:,} bytes of flash")
            ops = " ".join(image.kernels)
            console.note(f'built by: make -C firmware {board.id} OPS="{ops}"')
    return 0


def _ops(image: Any, estimated: list[int | None]) -> list[dict[str, Any]]:
    """Operators; with their estimated instructions and share of these where a board is named."""
    from dataclasses import asdict

    rows = [{k: v for k, v in asdict(op).items() if k != "work"} for op in image.ops]
    total = sum(value for value in estimated if value is not None)
    for row, value in zip(rows, estimated, strict=False):
        row["estimated_instructions"] = value
        row["share"] = None if value is None or not total else value / total
    return rows
