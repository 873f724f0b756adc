"""Packed images to mutate: every kernel family, operator, type, scheme and storage form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from hilbench import models
from hilbench.models.graph import Graph
from hilbench.models.image_writer import weights_tensor
from hilbench.models.lowering import lower
from hilbench.models.packer import PACKERS
from tests.firmware import mve_graphs, op_graphs
from tests.firmware.corpus import pruned
from tests.firmware.dsp_graphs import (
    add_sweep,
    chain_sweep,
    conv_sweep,
    depthwise_sweep,
    flat_sweep,
    pool_sweep,
    winograd_sweep,
)
from tests.firmware.fuzz.evaluate import Original, Originals, key
from tests.firmware.schemes import SCHEMES, random_graph, scheme_graph
from tests.firmware.thumb1_graphs import odd_conv_sweep, odd_flat_sweep, taps_sweep

ISAS = ((), ("dsp",), ("mve",), ("thumb1",), ("rv32im",))
#: Coding of the weights, and what is optimized.
WAYS = (("", "size"), ("layer", "size"), ("once", "size"), ("", "speed"))
VECTOR_BYTES = 1024
MOST_IMAGE_BYTES = 24 << 10
SWEEPS = {
    "conv": conv_sweep,
    "depthwise": depthwise_sweep,
    "flat": flat_sweep,
    "pool": pool_sweep,
    "add": add_sweep,
    "winograd": winograd_sweep,
    "mve conv": mve_graphs.conv_sweep,
    "mve depthwise": mve_graphs.depthwise_sweep,
    "mve flat": mve_graphs.flat_sweep,
    "mve pool": mve_graphs.pool_sweep,
    "odd conv": odd_conv_sweep,
    "odd flat": odd_flat_sweep,
    "taps": taps_sweep,
    "pools": partial(mve_graphs.pool_sweep, quad=True),
}


@dataclass(frozen=True)
class Seed:
    """An image, and a vector whose values suit its inputs."""

    name: str
    image: bytes
    vector: bytes


def graphs() -> dict[str, Graph]:
    """The networks behind the seeds; every output of most operators is kept."""
    found = dict(op_graphs.graphs())
    for name, sweep in SWEEPS.items():
        found |= {f"{name} {seed}": sweep(seed, operators=2) for seed in (1, 2)}
    for kind in (mve_graphs.Int4Sweep, mve_graphs.Int16Sweep):
        for name in ("conv", "flat"):
            sweep = getattr(mve_graphs, f"{name}_sweep")
            found[f"{kind.__name__} {name}"] = sweep(3, operators=2, kind=kind)
    found |= {f"chain {seed}": chain_sweep(seed) for seed in range(3)}
    for scheme in SCHEMES:
        for seed in range(3):
            found[f"{scheme} {seed}"] = scheme_graph(seed, scheme)
            found[f"{scheme} plain {seed}"] = scheme_graph(seed, scheme, plain=True)
        if scheme in ("dynamic8", "dynamic4", "weight4", "weight8"):
            found[f"{scheme} blocks"] = scheme_graph(1, scheme, blocks=True)
    for dtype in ("int8", "int16", "float32"):
        for seed in range(6):
            found[f"random {dtype} {seed}"] = random_graph(seed, dtype, operators=5)
            last = random_graph(100 + seed, dtype, operators=5)
            found[f"random last {dtype} {seed}"] = replace(
                last, output_indices=last.output_indices[-1:]
            )
    return found


def build() -> tuple[list[Seed], Originals]:
    """Seeds and what their packed operators were made from.  Images that no instruction set
    changes, and large ones, are left out."""
    seeds: list[Seed] = []
    originals: Originals = {}
    for name, graph in graphs().items():
        seen: set[bytes] = set()
        for isa in ISAS:
            for coding, optimize in WAYS:
                chosen = pruned(graph) if coding else graph
                data = models.pack(chosen, isa=isa, coding=coding, optimize=optimize).data
                if data in seen or len(data) > MOST_IMAGE_BYTES:
                    continue
                seen.add(data)
                if isa:
                    originals |= packed_operators(chosen, isa[0])
                speed = optimize if optimize == "speed" else ""
                label = "-".join((name, *isa, *filter(None, [coding, speed])))
                seeds.append(Seed(label, data, vector(chosen)))
    return seeds, originals


def packed_operators(graph: Graph, isa: str) -> Originals:
    """The operators of a network that an instruction set's packer takes."""
    found: Originals = {}
    packers = [(kernel, pack_step) for needed, kernel, pack_step in PACKERS if needed == isa]
    for step, (kernel, pack_step) in product(lower(graph), packers):
        packed = pack_step(graph, step) if step.inputs else None
        if packed is None:
            continue
        stream = weights_tensor(graph, step, packed)
        if stream is None or stream.data is None:
            continue
        weighted = step.multiplier is not None
        bias = step.inputs[2] if weighted else -1
        found[key(step.opcode, kernel, stream.data.tobytes(), packed.params)] = Original(
            step,
            graph.tensors[step.inputs[1]] if weighted else None,
            graph.tensors[bias] if bias != -1 else None,
            (graph.tensors[step.inputs[0]].shape, graph.tensors[step.output].shape),
        )
    return found


def vector(graph: Graph) -> bytes:
    """Values for the inputs: floats of a usual size, any integers."""
    rng = np.random.default_rng(len(graph.tensors))
    if graph.inputs[0].dtype == "float32":
        return rng.normal(0, 2, VECTOR_BYTES // 4).astype("<f4").tobytes()
    values = rng.integers(0, 256, VECTOR_BYTES).astype(np.uint8)
    values[:8] = (0x80, 0x80, 0x7F, 0x7F, 0xFF, 0x7F, 0x00, 0x80)
    return values.tobytes()
