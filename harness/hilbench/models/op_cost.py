"""Instructions of an operator, estimated: what a model costs before it ran anywhere.

``op_costs.json`` has coefficients for each instruction set and kind of kernel, fitted by
``tools/fit_op_costs.py`` to counts of emulated boards::

    instructions = per_product * products + per_output * outputs + per_read * reads + constant

An estimate is neither measured nor emulated, and is never shown as one of these.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilbench.models import cost
from hilbench.models.graph import Graph
from hilbench.models.lowering import Step
from hilbench.schema import image
from hilbench.schema.image import Opcode, OpFlag

if TYPE_CHECKING:
    from hilbench.models.packer import Image

TABLE = Path(__file__).with_name("op_costs.json")
#: Instruction set that decides about the kernels -> its name in the table, best first.
GROUPS = {"mve": "mve", "dsp": "dsp", "thumb1": "thumb1", "rv32im": "rv32"}
_DYNAMIC = OpFlag.DYNAMIC_SYMMETRIC | OpFlag.DYNAMIC_ASYMMETRIC
_WEIGHTED = (Opcode.CONV_2D, Opcode.DEPTHWISE_CONV_2D, Opcode.FULLY_CONNECTED)


@dataclass(frozen=True)
class Work:
    """What an estimate is made of.

    Attributes
    ----------
    kind : str
        Operator, kernel and types: what shares coefficients.
    products : int
        Multiply-accumulates, or elements under the windows of a pool.
    outputs : int
        Elements of the output.
    reads : int
        Elements of the input that are brought together for all output positions: each as often as
        a window covers it.
    """

    kind: str
    products: int
    outputs: int
    reads: int
    channels: int
    taps: int

    @property
    def features(self) -> tuple[int, ...]:
        """In the order of the coefficients."""
        positions = self.outputs // self.channels
        return self.products, self.taps, self.outputs, self.reads, self.channels, positions, 1


def group_of(isa: Collection[str]) -> str | None:
    """The table's name for a board's instruction sets; None: it has no coefficients."""
    return next((name for needed, name in GROUPS.items() if needed in isa), None)


def work_of(graph: Graph, steps: Iterable[Step], kernel: image.Kernel) -> Work:
    """Work of a layer, which its last step names."""
    parts = tuple(steps)
    end = parts[-1]
    output = graph.tensors[end.output]
    first = graph.tensors[end.inputs[0]] if end.inputs else output
    name, types = graph.operators[end.index].opcode, f"{first.dtype}>{output.dtype}"
    products = taps = sum(cost.macs(graph, step) for step in parts)
    reads, channels = first.elements, output.shape[-1] if output.shape else 1
    if end.opcode in _WEIGHTED:
        name, types = _weighted_kind(graph, end)
        if end.opcode == Opcode.CONV_2D:
            reads = products // channels
            taps = products // first.shape[-1]
    elif isinstance(end.params, image.Pool):
        products = output.elements * end.params.filter_h * end.params.filter_w
    kind = f"{name} {kernel.name.lower()} {types}"
    return Work(kind, products, output.elements, reads, channels, taps)


def _weighted_kind(graph: Graph, step: Step) -> tuple[str, str]:
    """Operator and types; kernels have ways of their own for some filters."""
    data, weights = (graph.tensors[i] for i in step.inputs[:2])
    name, types = step.opcode.name, f"{data.dtype}x{weights.dtype}"
    if step.flags & _DYNAMIC:
        types += " dynamic"
    assert isinstance(step.params, image.Conv)
    filter_h, filter_w = weights.shape[1:3] if len(weights.shape) == 4 else (1, 1)
    if step.opcode == Opcode.CONV_2D and (filter_h, filter_w) == (1, 1):
        name += " 1x1"
    if step.opcode == Opcode.DEPTHWISE_CONV_2D:
        stride = max(step.params.stride_h, step.params.stride_w)
        is_square = (filter_h, filter_w) == (3, 3) and stride <= 2
        name += f" 3x3/{stride}" if is_square else ""
    return name, types


@cache
def load_table() -> dict[str, Any]:
    """The coefficients as ``op_costs.json`` has them."""
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def estimate(work: Work, group: str | None) -> int | None:
    """Instructions of a layer; None: nothing of its kind was counted on this instruction set."""
    entry = load_table()["groups"].get(group, {}).get("kinds", {}).get(work.kind)
    if entry is None:
        return None
    coefficients: list[float] = entry["coefficients"]
    terms = zip(coefficients, work.features, strict=True)
    return round(sum(factor * amount for factor, amount in terms))


def estimate_layers(packed: Image, group: str | None) -> list[int | None]:
    """Instructions of each layer of an image; None where not known, as for weights that are coded
    (their decoding is not in the table)."""
    return [None if op.storage == "huffman" else estimate(op.work, group) for op in packed.ops]


def estimate_image(packed: Image, group: str | None) -> int | None:
    """Instructions of an inference; None where a layer's are not known."""
    known = [value for value in estimate_layers(packed, group) if value is not None]
    return sum(known) if len(known) == len(packed.ops) else None


def quality(group: str) -> dict[str, float]:
    """How far estimates of whole models were off that the fit had not seen (relative error).

    Returns
    -------
    dict
        ``models``: how many; ``median_error``, ``worst_error``: shares, 0.1 = 10 %.
    """
    found: dict[str, float] = load_table()["groups"][group]["left_out"]
    return found
