"""Instructions of every layer, exactly, on emulated boards.

    python benchmarks/engine.py [--model FILE ...] [--board ID ...] [--csv FILE]

For each model and board: the kernel of each operator, instructions, instructions per
multiply-accumulate, image and arena bytes, and whether the layer's bytes are the reference's.
"weighted" counts a multi-register transfer once per register, which is the time that it takes; it
comes from a plugin of QEMU's (transfers_plugin.c) and is left out without a C compiler.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from numpy.typing import NDArray

from hilbench import models, workloads
from hilbench.backends.qemu import QemuBackend
from hilbench.bench.plan import choose_backend
from hilbench.boards import BackendSpec, Board, load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import Firmware, load_firmware
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.schema import protocol as p

BOARDS = ("mps2-an386", "mps2-an500", "mps3-an547")
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Row:
    """One operator, or with ``layer`` -1 the whole model."""

    model: str
    board: str
    layer: int
    name: str
    kernel: str
    output: str
    macs: int
    instructions: int
    weighted: int | None
    exact: bool
    image_bytes: int
    arena_bytes: int

    @property
    def per_mac(self) -> float | None:
        """Instructions per multiply-accumulate."""
        return self.instructions / self.macs if self.macs else None


class CountingQemu(QemuBackend):
    """QEMU with further arguments."""

    extra: tuple[str, ...] = ()

    def _command(self, image: int, descriptor: int) -> list[str]:
        return [*super()._command(image, descriptor), *self.extra]


@contextmanager
def running(
    board: Board, spec: BackendSpec, firmware: Firmware, image: bytes, extra: tuple[str, ...] = ()
) -> Iterator[Device]:
    """An attested device with its image loaded."""
    backend = CountingQemu(board, spec)
    backend.extra = extra
    try:
        backend.acquire()
        backend.prepare(firmware, image, lambda stage, fraction: None)
        device = backend.start()
        device.attest()
        device.load_image()
        yield device
    finally:
        backend.close()


def run(device: Device, mode: p.RunMode, vectors: NDArray[np.uint8]) -> list[tuple[int, bytes]]:
    """Kind and body of every record of a run."""
    request = RunRequest(mode, vectors.tobytes(), vectors.shape[1], len(vectors))
    stream = run_stream(device, request, StreamStatistics(), DEADLINE_S)
    return [(record.kind, record.body) for record in stream]


def further_registers(
    board: Board, spec: BackendSpec, firmware: Firmware, image: bytes, vectors: NDArray[np.uint8]
) -> int | None:
    """Registers that one inference's multi-register transfers move beyond one each."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    with firmware.elf.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".engine")
        start, size = section["sh_addr"], section["sh_size"]
    with tempfile.TemporaryDirectory() as folder:
        plugin, result = Path(folder) / "plugin.so", Path(folder) / "counts"
        source = Path(__file__).with_name("transfers_plugin.c")
        flags = ["-std=c11", "-O2", "-fPIC", "-shared"]
        subprocess.run([compiler, *flags, str(source), "-o", str(plugin)], check=True)
        extra = ("-plugin", f"{plugin},from={start:#x},to={start + size:#x},out={result}")
        totals = []
        for count in (1, 2):  # the difference leaves out start-up and validation
            with running(board, spec, firmware, image, extra) as device:
                run(device, p.RunMode.ACCURACY, np.repeat(vectors[:1], count, axis=0))
            totals.append(int(result.read_text().split()[1]))
    return totals[1] - totals[0]


def measure(graph: models.Graph, board: Board, weigh: bool) -> list[Row]:
    """Rows of all operators, then of the model."""
    spec, firmware = choose_backend(board, "qemu"), load_firmware(board.firmware)
    image = models.pack(graph, isa=board.isa)
    vectors = workloads.random_vectors(graph, 1, 0).vectors
    expected = models.run_reference(graph, vectors, layers=True).layer_crc
    assert expected is not None
    with running(board, spec, firmware, image.data) as device:
        records = run(device, p.RunMode.LAYERS, vectors)
    overhead = next(p.Overhead.unpack(b).ticks for k, b in records if k == p.RecordKind.OVERHEAD)
    layers = [p.Layer.unpack(body) for kind, body in records if kind == p.RecordKind.LAYER]
    numerator, denominator = spec.ticks_to_instructions
    common = (len(image.data), image.arena_bytes)
    rows = [
        Row(
            graph.name, board.id, number, op.name, op.kernel,
            "x".join(map(str, op.output_shape)), op.macs,
            -(-(layer.ticks - overhead) * numerator // denominator), None,
            layer.crc == int(crc), *common,
        )
        for number, (op, layer, crc) in enumerate(zip(image.ops, layers, expected[0], strict=True))
    ]  # fmt: skip
    total = sum(row.instructions for row in rows)
    moved = None
    if weigh:
        moved = further_registers(board, spec, firmware, image.data, vectors)
    rows.append(
        Row(
            graph.name, board.id, -1, "total", "", "", image.macs, total,
            None if moved is None else total + moved, all(row.exact for row in rows), *common,
        )
    )  # fmt: skip
    return rows


def show(rows: list[Row]) -> None:
    """Print a table."""
    last = rows[-1]
    print(
        f"\n{last.model} on {last.board}: image {last.image_bytes:,} bytes, "
        f"arena {last.arena_bytes:,} bytes"
    )
    for row in rows:
        per_mac = "" if row.per_mac is None else f"{row.per_mac:.3f}/MAC"
        weighted = "" if row.weighted is None else f"  weighted {row.weighted:,}"
        exact = "" if row.exact else "  DIFFERS"
        print(
            f"  {row.name:20} {row.kernel:10} {row.output:12} {row.instructions:12,} "
            f"{per_mac:>10}{weighted}{exact}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", action="append", choices=BOARDS)
    parser.add_argument("--model", action="append", type=Path, help="default: the digits model")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    catalogue, rows = load_catalogue(), []
    for path in options.model or [workloads.get("digits").model_path("w8a8")]:
        for board_id in options.board or BOARDS:
            board = find_board(catalogue, board_id)
            # the plugin knows the instructions of Armv7E-M, not MVE's
            rows += (found := measure(models.load(path), board, "mve" not in board.isa))
            show(found)
    if options.csv is not None:
        with options.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            names = list(Row.__dataclass_fields__)
            writer.writerow([*names, "per_mac"])
            writer.writerows([[*(getattr(r, n) for n in names), r.per_mac] for r in rows])
    return 0 if all(row.exact for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
