"""``hilbench compress``: from a teacher to the smallest image, every stage measured."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hilbench.cli import console

if TYPE_CHECKING:
    from hilbench.schemes.compression import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what")
    what.add_argument("--workload", default="digits", metavar="NAME", help="(digits)")
    what.add_argument("--seed", type=int, default=0, metavar="N", help="of all training (0)")
    what.add_argument(
        "--quantization",
        choices=("qat", "ptq"),
        default="qat",
        help="trained through the integers, or calibrated only (qat)",
    )
    what.add_argument("--weight-bits", type=int, choices=(4, 8), default=4, help="(4)")
    what.add_argument(
        "--sparsity",
        type=float,
        default=None,
        metavar="S",
        help="share of the student's weights that is pruned, 0 to 0.95 (0.4)",
    )
    what.add_argument(
        "--effort",
        type=float,
        default=1.0,
        metavar="F",
        help="epochs times F: less to try things out (1)",
    )
    what.add_argument(
        "--experiment",
        choices=("low-precision",),
        help="instead: train one network in 16-bit fixed point and 8-bit floats, against float32",
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--board", metavar="ID", help="run every stage there; without: sizes and accuracy only"
    )
    where.add_argument("--backend", metavar="NAME", help="silicon, virtual or qemu")
    where.add_argument("--device", metavar="NAME", help="which one, when several boards match")
    where.add_argument(
        "--decode",
        choices=("layer", "once"),
        default="layer",
        help="coded weights: before each use, or once into RAM (layer)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of this compression (results/compress-WORKLOAD-BOARD-SEED); finished stages "
        "in it are taken over",
    )
    output.add_argument("--json", action="store_true", help="one JSON object on stdout")


def execute(options: argparse.Namespace) -> int:
    from hilbench.schemes.threads import one_blas_thread

    if not one_blas_thread():
        console.note("numpy was loaded before: the bytes may differ from those of another run")
    if options.experiment:
        return _low_precision(options)
    from hilbench.bench.compress import CompressOptions, compress
    from hilbench.errors import Interrupted
    from hilbench.reports.compress import compress_table, render_compress
    from hilbench.store.files import write_atomically

    out = options.out or Path("results") / "-".join(
        ["compress", options.workload, options.board or "host", str(options.seed)]
    )
    wanted = CompressOptions(
        workload=options.workload,
        settings=_settings(options),
        board=options.board,
        backend=options.backend,
        device=options.device,
        decode=options.decode,
        out=out,
    )
    with console.progress_bars() as progress:
        try:
            result = compress(wanted, progress, console.note)
        except (KeyboardInterrupt, Interrupted):
            console.note(f"finished stages are in {out}; the same command goes on from there")
            raise
    write_atomically(out / "report.html", render_compress(result).encode())
    if options.json:
        console.show_json(result)
    else:
        console.show(compress_table(result))
        console.note(f"report: {out / 'report.html'}")
    return 0


def _low_precision(options: argparse.Namespace) -> int:
    import json

    from hilbench.bench.precision import low_precision
    from hilbench.errors import UsageError
    from hilbench.reports.precision import precision_table, render_precision
    from hilbench.store.files import host_io_error, write_atomically

    if options.board or options.backend or options.device:
        raise UsageError("the experiment is a simulation on the host: it takes no --board")
    settings = _settings(options)
    out = options.out or Path("results") / f"low-precision-{options.workload}-{options.seed}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise host_io_error(out, error) from error
    with console.progress_bars() as progress:
        result = low_precision(options.workload, settings.seed, settings.teacher_epochs, progress)
    write_atomically(out / "low-precision.json", json.dumps(result, indent=2).encode())
    write_atomically(out / "report.html", render_precision(result).encode())
    if options.json:
        console.show_json(result)
    else:
        console.show(precision_table(result))
        console.note(f"report: {out / 'report.html'}")
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    from dataclasses import fields

    from hilbench.errors import UsageError
    from hilbench.schemes.compression import Settings

    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}, must be at least 0")
    if options.sparsity is not None and not 0 <= options.sparsity <= 0.95:
        raise UsageError(f"--sparsity is {options.sparsity:g}, must be from 0 to 0.95")
    if not 0 < options.effort <= 100:
        raise UsageError(f"--effort is {options.effort:g}, must be more than 0, at most 100")
    values = {
        "seed": options.seed,
        "quantization": options.quantization,
        "weight_bits": options.weight_bits,
    }
    if options.sparsity is not None:
        values["sparsity"] = options.sparsity
    for one in fields(Settings):
        if one.name.endswith("_epochs"):
            assert isinstance(one.default, int)
            values[one.name] = max(1, round(one.default * options.effort))
    return Settings(**values)
