"""Instructions per inference of every model on every emulated board, beside the anchor's.

    python benchmarks/engine.py [--board B ...] [--model M ...] [--layers] [--csv FILE]
                                [--write-baseline]

Plain counts are executed instructions; weighted ones count an instruction that moves several
registers once per register (on MVE once per Q register).  `inter` is the share of the engine's code
that is no kernel (QEMU boards, with a C compiler).  The anchor is TensorFlow Lite Micro with
CMSIS-NN at its best build, GCC 12, counted the same way.  Models other than digits come from the
data folder beside the clone, with its seed 1 as input.  --layers adds each operator, and how far it
is from a floor: what an ideal kernel of its class would take on that core.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.counted_board import Count, counted_board  # noqa: E402
from hilbench import models  # noqa: E402
from hilbench.bench.plan import Plan, RunOptions, resolve  # noqa: E402
from hilbench.boards import load_catalogue  # noqa: E402
from hilbench.models.graph import ConvOptions  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "mlperf-tiny"
BASELINE = ROOT / "results" / "baselines" / "engine.json"
#: Behind a model's name: an image that may spend flash or RAM.
SPEED = " --optimize speed"
MODELS = ("digits", "kws_int8", "ic_int8", f"ic_int8{SPEED}")
BACKENDS = ("virtual", "qemu")


@dataclass(frozen=True)
class Goal:
    """The anchor's instructions, and what the engine must stay below; None = no such bar."""

    anchor: int
    plain: int | None = None
    weighted: int | None = None


_KWS_DSP = Goal(7_697_427, 2_800_000, 3_500_000)
_IC_DSP = Goal(29_863_313, 11_000_000, 14_200_000)
#: Per class of core; on MVE the plain bar is held against the count in which multi-register vector
#: transfers weigh their registers.
GOALS: dict[tuple[str, str], Goal] = {
    ("kws_int8", "cortex-m4"): _KWS_DSP,
    ("kws_int8", "cortex-m7"): _KWS_DSP,
    ("kws_int8", "cortex-m55"): Goal(1_784_788, 650_000),
    ("kws_int8", "cortex-m0"): Goal(29_003_183, 18_000_000),
    ("ic_int8", "cortex-m4"): _IC_DSP,
    ("ic_int8", "cortex-m7"): _IC_DSP,
    (f"ic_int8{SPEED}", "cortex-m4"): Goal(29_863_313, weighted=10_000_000),
    (f"ic_int8{SPEED}", "cortex-m7"): Goal(29_863_313, weighted=10_000_000),
    ("ic_int8", "cortex-m55"): Goal(4_810_543, 1_950_000),
    ("ic_int8", "cortex-m0"): Goal(97_569_223, 60_000_000),
}
#: The anchor's arena, bytes; the engine's is at most this share of it.
ANCHOR_ARENA_BYTES = {"kws_int8": 22_820, "ic_int8": 54_996}
ARENA_SHARE = 0.8
#: Instructions per element of an addition, by core.
ADD_FLOOR = {"cortex-m4": 7.0, "cortex-m7": 7.0, "cortex-m55": 2.31}
#: Image over model file: weights at 1 x flash.
IMAGE_SHARE = 1.15


@dataclass(frozen=True)
class Layer:
    """One operator's counts."""

    index: int
    name: str
    macs: int
    elements: int
    count: Count
    floor: float | None


@dataclass(frozen=True)
class Row:
    """One model on one board."""

    board: str
    model: str
    core: str
    macs: int
    count: Count
    image_bytes: int
    model_bytes: int
    arena_bytes: int
    engine_flash_bytes: int | None
    layers: list[Layer] = field(default_factory=list)

    @property
    def goal(self) -> Goal | None:
        return GOALS.get((self.model, self.core))

    def missed(self) -> list[str]:
        """The bars that this row misses, in words."""
        bars: list[tuple[str, float | None, float | None]] = []
        if self.goal is not None:
            bars += [
                ("plain", self.count.vector or self.count.plain, self.goal.plain),
                ("weighted", self.count.weighted, self.goal.weighted),
            ]
        if self.model in ANCHOR_ARENA_BYTES:
            share = ARENA_SHARE if self.core == "cortex-m4" else None
            arena = share and share * ANCHOR_ARENA_BYTES[self.model]
            bars += [
                ("image", self.image_bytes, IMAGE_SHARE * self.model_bytes),
                ("arena", self.arena_bytes, arena),
            ]
        return [
            f"{name} {value:,.0f} > {bar:,.0f}"
            for name, value, bar in bars
            if value is not None and bar is not None and value > bar
        ]

    def baseline(self) -> dict[str, int | None]:
        """What the baseline holds of it."""
        return {
            "instructions": self.count.plain,
            "weighted": self.count.weighted,
            "vector": self.count.vector,
            "image_bytes": self.image_bytes,
            "arena_bytes": self.arena_bytes,
        }


def floor(core: str, plan: Plan, op: models.OpReport) -> float | None:
    """Instructions that an ideal kernel takes for this operator; None = no figure.

    By argument, not by proof.  M4, M7: SMLAD does two products and 14 registers allow four of them
    per load, 0.625 per product, and five instructions per output (requantization, store).  M55:
    0.109 per product with plain loads of 16 lanes, 1.6 per output.  M0: 4 per product, 35 per
    output, as if each product took a multiplication of its own; the engine's share two, and stay
    below.
    """
    outputs = prod(op.output_shape)
    products = op.macs / outputs
    if op.name == "ADD":
        return {"cortex-m4": 7.0, "cortex-m7": 7.0, "cortex-m55": 2.31}.get(
            core, 0
        ) * outputs or None
    if not op.macs:
        return None
    if core == "cortex-m0":
        return 4 * op.macs + 35 * outputs
    if core not in ("cortex-m4", "cortex-m7", "cortex-m55"):
        return None
    if op.name == "DEPTHWISE_CONV_2D":
        if core == "cortex-m55":
            return 0.45 * op.macs
        return (1.4 if _stride(plan.graph, op) == 1 else 2.1) * op.macs
    if core == "cortex-m55":
        lanes = -(-products // 16) * 16
        return (0.109 * lanes + 1.6) * outputs
    return 0.625 * op.macs + 5 * outputs


def _stride(graph: models.Graph, op: models.OpReport) -> int:
    for operator in graph.operators:
        named = graph.tensors[operator.outputs[0]].name == op.output
        if named and isinstance(operator.options, ConvOptions):
            return operator.options.stride_w
    return 1


def plan_of(board: str, backend: str, model: str, data: Path = DATA) -> Plan:
    """One vector of a model: digits' first, or the data folder's seed 1."""
    if model == "digits":
        return resolve(RunOptions(board=board, backend=backend, vectors=1))
    name = model.removesuffix(SPEED)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(data / f"{name}_s1.in.bin", folder)
        return resolve(
            RunOptions(
                board=board,
                backend=backend,
                model=data / f"{name}.tflite",
                inputs=Path(folder),
                optimize="size" if name == model else "speed",
            )
        )


def measure(board: str, model: str, layers: bool = False, data: Path = DATA) -> Row:
    """Count one model on one board.

    Parameters
    ----------
    board, model : str
        Of :func:`boards` and :func:`models_here`.
    layers : bool
        Whether to count each operator too.
    data : Path
        Folder of the models other than digits.

    Raises
    ------
    CountError
        When an output is wrong, or two ways of counting disagree.
    HilbenchError
        When the board cannot be started, or the model does not fit.
    """
    plan = plan_of(board, boards()[board], model, data)
    core = plan.board.core
    found = []
    with counted_board(plan) as counted:
        count = counted.inference()
        if layers:
            for index, (op, each) in enumerate(zip(plan.image.ops, counted.layers(), strict=True)):
                elements = prod(op.output_shape)
                least = floor(core, plan, op)
                found.append(Layer(index, op.name, op.macs, elements, each, least))
    return Row(
        board=board,
        model=model,
        core=core,
        macs=plan.image.macs,
        count=count,
        image_bytes=len(plan.image.data),
        model_bytes=len(plan.model_file),
        arena_bytes=plan.image.arena_bytes,
        engine_flash_bytes=plan.firmware.engine_flash_bytes,
        layers=found,
    )


def boards() -> dict[str, str]:
    """Board id -> the emulator that executes it here."""
    return {
        name: backend
        for name, board in load_catalogue().items()
        for backend in BACKENDS
        if backend in board.backends
    }


def models_here(data: Path = DATA) -> list[str]:
    """Digits, and what the data folder has."""
    return [
        name
        for name in MODELS
        if name == "digits" or (data / f"{name.removesuffix(SPEED)}.tflite").exists()
    ]


def is_of_interest(board: str, model: str) -> bool:
    """Whether a board has kernels for speed, where they are asked for."""
    return not model.endswith(SPEED) or (model, load_catalogue()[board].core) in GOALS


# ---------------------------------------------------------------- output

HEAD = (
    f"{'board':<14}{'model':<25}{'plain':>12}{'weighted':>12}{'/MAC':>7}{'w/MAC':>7}"
    f"{'anchor':>12}{'ratio':>7}{'image':>9}{'arena':>8}{'engine':>8}{'inter':>7}  missed"
)
LAYER_HEAD = (
    f"{'':5}{'operator':<20}{'MACs':>11}{'plain':>12}{'weighted':>12}{'/MAC':>8}{'/out':>8}"
    f"{'floor':>12}{'x floor':>9}"
)


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _per(value: float | None, divisor: float | None) -> float | None:
    return value / divisor if value is not None and divisor else None


def show(row: Row) -> None:
    """Print one row, and its layers."""
    count, goal = row.count, row.goal
    anchor = goal.anchor if goal else None
    print(
        f"{row.board:<14}{row.model:<25}{count.plain:>12,}{_number(count.weighted, ','):>12}"
        f"{count.plain / row.macs:>7.3f}{_number(_per(count.weighted, row.macs), '.3f'):>7}"
        f"{_number(anchor, ','):>12}{_number(_per(count.plain, anchor), '.3f'):>7}"
        f"{row.image_bytes:>9,}{row.arena_bytes:>8,}{_number(row.engine_flash_bytes, ','):>8}"
        f"{_number(_per(count.interpreter, count.plain), '.2%'):>7}"
        f"  {', '.join(row.missed())}"
    )
    if not row.layers:
        return
    print(LAYER_HEAD)
    for layer in row.layers:
        each = layer.count
        print(
            f"{layer.index:>4} {layer.name:<20}{layer.macs:>11,}{each.plain:>12,}"
            f"{_number(each.weighted, ','):>12}{_number(_per(each.plain, layer.macs), '.3f'):>8}"
            f"{each.plain / layer.elements:>8.1f}{_number(layer.floor, ',.0f'):>12}"
            f"{_number(_per(each.plain, layer.floor), '.2f'):>9}"
        )
    total = sum(layer.count.plain for layer in row.layers)
    print(f"     {'sum, with the hooks':<31}{total:>12,}  ({total - count.plain:+,})")


CSV_HEADER = (
    "board", "model", "operator", "name", "macs", "instructions", "weighted", "vector", "per_mac",
    "weighted_per_mac", "floor", "times_floor", "anchor", "bar", "weighted_bar", "image_bytes",
    "model_bytes", "arena_bytes", "engine_flash_bytes",
)  # fmt: skip


def csv_rows(row: Row) -> list[dict[str, Any]]:
    """The whole inference (operator empty), then its operators."""
    goal = row.goal
    whole = {
        **_csv_counts(row.count, row.macs),
        "name": "inference",
        "anchor": goal and goal.anchor,
        "bar": goal and goal.plain,
        "weighted_bar": goal and goal.weighted,
        "image_bytes": row.image_bytes,
        "model_bytes": row.model_bytes,
        "arena_bytes": row.arena_bytes,
        "engine_flash_bytes": row.engine_flash_bytes,
    }
    operators = [
        {
            **_csv_counts(layer.count, layer.macs),
            "operator": layer.index,
            "name": layer.name,
            "floor": layer.floor,
            "times_floor": _per(layer.count.plain, layer.floor),
        }
        for layer in row.layers
    ]
    return [{"board": row.board, "model": row.model, **fields} for fields in (whole, *operators)]


def _csv_counts(count: Count, macs: int) -> dict[str, Any]:
    return {
        "macs": macs,
        "instructions": count.plain,
        "weighted": count.weighted,
        "vector": count.vector,
        "per_mac": _per(count.plain, macs),
        "weighted_per_mac": _per(count.weighted, macs),
    }


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write all rows; floats with four decimals."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, CSV_HEADER, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            for fields in csv_rows(row):
                writer.writerow(
                    {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in fields.items()}
                )


def write_baseline(rows: list[Row]) -> None:
    """Renew these rows of the baseline; others stay."""
    stored = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    stored |= {f"{row.board} {row.model}": row.baseline() for row in rows}
    BASELINE.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", action="append", choices=list(boards()), help="default: all")
    parser.add_argument("--model", action="append", choices=MODELS, help="default: all at hand")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the other models")
    parser.add_argument("--layers", action="store_true", help="each operator too")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--write-baseline", action="store_true", help=f"renew {BASELINE.name}")
    options = parser.parse_args()
    rows = []
    print(HEAD)
    for model in options.model or models_here(options.data):
        for board in options.board or boards():
            if not is_of_interest(board, model):
                continue
            rows.append(measure(board, model, options.layers, options.data))
            show(rows[-1])
    if options.csv is not None:
        write_csv(options.csv, rows)
    if options.write_baseline:
        write_baseline(rows)


if __name__ == "__main__":
    main()
