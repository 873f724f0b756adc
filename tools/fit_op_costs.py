"""Fit what operators cost: writes harness/hilbench/models/op_costs.json.

    python tools/fit_op_costs.py [--counts FILE]

Counts each operator of many models on the emulated boards (exact, the empty window subtracted) and
fits non-negative coefficients of products, outputs, reads and a constant by least squares of the
relative error, one fit for each instruction set and kind of kernel.  Then each network is left out
in turn, in all its schemes, and its models are estimated by what the others say.  --counts keeps
the counts in a file, or takes them from there.  Generated networks add shapes.  Models of the data
folder beside the clone and of the package pymicro-wakeword are counted where they are at hand; the
table in the repository is of all of them.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "harness")]

from benchmarks.counted_board import counted_board  # noqa: E402

from hilbench import models, workloads  # noqa: E402
from hilbench.bench.plan import RunOptions, resolve  # noqa: E402
from hilbench.errors import ImageTooLarge, ModelError, UnsupportedOp  # noqa: E402
from hilbench.models import op_cost, writer  # noqa: E402
from hilbench.schemes import mixed, recipes  # noqa: E402
from hilbench.schemes.export import float_graph  # noqa: E402
from hilbench.schemes.layers import AveragePool, Conv2D, Dense, Depthwise  # noqa: E402
from hilbench.schemes.network import Network  # noqa: E402

BOARDS = ("mps2-an386", "mps3-an547", "mps2-an385-m0", "rv32-virt")
SHARED = ROOT.parent / "shared" / "data" / "mlperf-tiny"
SHARED_MODELS = ("kws_int8", "ic_int8", "kws_dynamic", "ic_float")
WORKLOADS = ("digits", "motion", "kws-synthetic", "mnist5k", "anomaly")
SCHEMES = ("f32", "w8a8", "w8a8-tensor", "w8a16", "w4a8", "dynamic8", "dynamic4", "weight8",
           "weight4", "f16", "fp8")  # fmt: skip
GENERATED = (
    Network("generated-image", (20, 20, 3), (
        Conv2D(24), Depthwise(), Conv2D(32, (1, 1)), Conv2D(16, (5, 5), (2, 2)),
        Depthwise((3, 3), (2, 2)), AveragePool((2, 2)), Dense(20),
    )),
    Network("generated-series", (64, 1, 8), (
        Conv2D(20, (7, 1), (2, 1)), Depthwise((5, 1)), Conv2D(40, (1, 1)),
        Depthwise((9, 1), (2, 1)), Conv2D(24, (3, 1)), AveragePool(), Dense(5),
    )),
    Network("generated-dense", (40, 1, 1), (Dense(64, True), Dense(24, True), Dense(48))),
)  # fmt: skip
#: Schemes that take turns from layer to layer: the borders have operators of their own.
MIXED = (("w8a8", "f32"), ("f32", "w8a8"), ("w8a16", "f32"), ("f32", "w8a16"), ("w8a8", "w8a16"),
         ("w8a16", "w8a8"), ("w4a8", "w8a16"), ("f32", "w4a8"))  # fmt: skip
#: Larger float models take minutes in software floating point, and say nothing new.
MOST_FLOAT_MACS = 2_000_000
CALIBRATION_VECTORS = 50


#: Network, name, .tflite, form.
Subject = tuple[str, str, bytes, str]


@dataclass(frozen=True)
class Observation:
    """One operator of one model on one board."""

    group: str
    network: str
    model: str
    kind: str
    products: int
    outputs: int
    reads: int
    channels: int
    taps: int
    instructions: int

    @property
    def work(self) -> op_cost.Work:
        names = [field.name for field in fields(op_cost.Work)]
        return op_cost.Work(**{name: getattr(self, name) for name in names})


# ---------------------------------------------------------------- counting


def subjects() -> Iterator[Subject]:
    """Everything that is counted."""
    for name, content in float_models():
        shape = models.loads(content).inputs[0].shape
        random = np.random.default_rng(0).standard_normal((CALIBRATION_VECTORS, *shape[1:]))
        values = random.astype(np.float32)
        for scheme in SCHEMES:
            try:
                made = recipes.quantize(content, scheme, values)
            except ModelError as error:
                print(f"{name} {scheme}: {error}", file=sys.stderr)
                continue
            yield name, f"{name}-{scheme}", made, recipes.find_scheme(scheme).form
        layers = mixed.layers_of(models.loads(content))
        mixes = [{layer.output: pair[i % 2] for i, layer in enumerate(layers)} for pair in MIXED]
        made_mixes = mixed.quantize_mixes(
            content, [mixed.recipe_of(layers, mix) for mix in mixes], values
        )
        for pair, mix in zip(MIXED, made_mixes, strict=True):
            if not isinstance(mix, ModelError):
                yield name, f"{name}-{pair[0]}-{pair[1]}", mix, "plain"
    for name in SHARED_MODELS:
        if (SHARED / f"{name}.tflite").exists():
            yield name.split("_")[0], name, (SHARED / f"{name}.tflite").read_bytes(), "plain"
    wake = find_spec("pymicro_wakeword")
    if wake is not None and wake.origin is not None:
        for path in sorted((Path(wake.origin).parent / "models").glob("*.tflite")):
            yield "wake-word", path.stem, path.read_bytes(), "plain"


def float_models() -> Iterator[tuple[str, bytes]]:
    """Workloads' models, and generated ones with shapes that those lack; weights are random."""
    for name in WORKLOADS:
        yield name, workloads.get(name).model_path("f32").read_bytes()
    for network in GENERATED:
        graph = float_graph(network, network.initial(0), softmax=True)
        yield network.name, writer.write(graph)


def count(board: str, wanted: Sequence[Subject]) -> Iterator[Observation]:
    """Every operator of every model on a board."""
    with tempfile.TemporaryDirectory() as folder:
        for network, name, content, form in wanted:
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(content)
            options = RunOptions(board=board, model=path, vectors=1, weights=form)
            try:
                plan = resolve(options)
            except (ImageTooLarge, UnsupportedOp) as error:
                print(f"{board} {name}: {error}", file=sys.stderr)
                continue
            group = op_cost.group_of(plan.board.isa)
            assert group is not None
            is_float = plan.graph.inputs[0].dtype == "float32"
            if is_float and group in ("thumb1", "rv32") and plan.image.macs > MOST_FLOAT_MACS:
                continue
            with counted_board(plan) as counted:
                layers = counted.layers()
            for op, layer in zip(plan.image.ops, layers, strict=True):
                work = asdict(op.work)
                yield Observation(group, network, name, **work, instructions=layer.plain)


# ---------------------------------------------------------------- fitting


def fit(observations: Sequence[Observation]) -> dict[str, list[float]]:
    """Kind -> coefficients."""
    kinds: dict[str, list[Observation]] = defaultdict(list)
    for seen in observations:
        kinds[seen.kind].append(seen)
    return {kind: fit_kind(seen) for kind, seen in sorted(kinds.items())}


def fit_kind(seen: Sequence[Observation]) -> list[float]:
    """Least squares of the relative error; no coefficient is negative."""
    counted = np.array([max(o.instructions, 1) for o in seen], np.float64)
    features = np.array([o.work.features for o in seen], np.float64)
    scale = features.max(axis=0)
    scale[scale == 0] = 1
    solution, _ = nnls(features / scale / counted[:, None], np.ones(len(seen)))
    return [float(f"{value:.5g}") for value in solution / scale]


def predict(coefficients: dict[str, list[float]], o: Observation) -> float | None:
    """Estimate of one operator; None: its kind is unknown."""
    if o.kind not in coefficients:
        return None
    return float(np.dot(coefficients[o.kind], o.work.features))


def left_out(observations: Sequence[Observation]) -> dict[str, tuple[float, float]]:
    """Model -> estimate and count of its known operators, its network left out of the fit.

    Models of which more than a hundredth is of kinds that no other network has are left out.
    """
    found = {}
    for network in sorted({o.network for o in observations}):
        coefficients = fit([o for o in observations if o.network != network])
        mine = [o for o in observations if o.network == network]
        for model in dict.fromkeys(o.model for o in mine):
            rows = [(predict(coefficients, o), o.instructions) for o in mine if o.model == model]
            unknown = sum(n for estimate, n in rows if estimate is None)
            total = sum(n for _, n in rows)
            if unknown <= total / 100:
                found[model] = (sum(estimate or 0.0 for estimate, _ in rows), float(total))
    return found


def table_of(observations: Sequence[Observation]) -> dict[str, Any]:
    """One instruction set's part of the table."""
    coefficients = fit(observations)
    kinds = {}
    for kind, values in coefficients.items():
        seen = [o for o in observations if o.kind == kind]
        errors = [relative(predict(coefficients, o) or 0.0, o.instructions) for o in seen]
        kinds[kind] = {
            "coefficients": values,
            "observations": len(seen),
            "worst_error": round(max(errors), 4),
        }
    out = left_out(observations)
    errors = {model: relative(*pair) for model, pair in out.items()}
    worst = max(errors, key=lambda model: errors[model])
    return {
        "left_out": {
            "models": len(errors),
            "median_error": round(statistics.median(errors.values()), 4),
            "worst_error": round(errors[worst], 4),
            "worst_model": worst,
        },
        "kinds": kinds,
    }


def relative(estimate: float, counted: float) -> float:
    return abs(estimate - counted) / max(counted, 1)


# ---------------------------------------------------------------- files


def write_counts(path: Path, observations: Sequence[Observation]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Observation)])
        writer.writeheader()
        writer.writerows(asdict(o) for o in observations)


def read_counts(path: Path) -> list[Observation]:
    texts = ("group", "network", "model", "kind")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Observation(**{k: v if k in texts else int(v) for k, v in r.items()}) for r in rows]


def table_text(groups: dict[str, Any]) -> str:
    """JSON with a line for each kind."""
    parts = []
    for group, table in groups.items():
        kinds = ",\n".join(f"  {dumps(kind)}: {dumps(e)}" for kind, e in table["kinds"].items())
        head = f'{dumps(group)}: {{"left_out": {dumps(table["left_out"])}'
        parts.append(f'{head}, "kinds": {{\n{kinds}}}}}')
    return '{"schema": "hilbench-op-costs-1", "groups": {\n' + ",\n".join(parts) + "}}\n"


def main() -> int:
    """Count or read counts, fit, write, and say how good it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=Path, help="keep counts there, or take them from there")
    options = parser.parse_args()
    if options.counts is not None and options.counts.exists():
        observations = read_counts(options.counts)
    else:
        wanted = list(subjects())
        observations = [o for board in BOARDS for o in count(board, wanted)]
        if options.counts is not None:
            write_counts(options.counts, observations)
    groups = {}
    for group in dict.fromkeys(o.group for o in observations):
        mine = [o for o in observations if o.group == group]
        groups[group] = table_of(mine)
        found = groups[group]["left_out"]
        print(
            f"{group}: {len(mine)} operators of {len({o.model for o in mine})} models; left out, "
            f"{found['models']} models are off by {found['median_error']:.1%} (median), "
            f"{found['worst_error']:.1%} at worst ({found['worst_model']})"
        )
    op_cost.TABLE.write_text(table_text(groups), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
