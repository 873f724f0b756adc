"""Random networks over every operator, type and scheme at once: what changes from layer to layer.

A network grows as :func:`random_graphs.random_graph` does, by any operator; now and then it goes
over to another scheme, through QUANTIZE or DEQUANTIZE where the type of the data changes, and the
weights of the layers that follow are stored as that scheme wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scheme_graphs
from random_graphs import Builder

from hilbench.models.graph import Graph, NoOptions, Operator, Tensor

#: Scheme -> type of the data; those of scheme_graphs and plain float32.
DATA = {name: data for name, (data, _, _) in scheme_graphs.SCHEMES.items()} | {"f32": "float32"}
#: The schemes of random_graphs.
UNMIXED = {"int8": "w8a8", "int16": "w8a16", "float32": "f32"}
SWITCH_SHARE = 0.3


def mixed_graph(seed: int, operators: int = 8, schemes: Sequence[str] = tuple(DATA)) -> Graph:
    """A valid network; every output of an operator is an output of the graph."""
    rng = np.random.default_rng(seed)
    scheme = str(rng.choice(list(schemes)))
    builder = MixedBuilder(rng, DATA[scheme], 0.8, 0.4, scheme=scheme)
    height, width, depth = (int(v) for v in rng.integers(1, [8, 8, 8]))
    builder.feed((1, height, width, depth))
    for _ in range(int(rng.integers(2, operators + 1))):
        if rng.random() < SWITCH_SHARE:
            builder.switch(str(rng.choice(list(schemes))))
        builder.grow()
    if not builder.operators:
        builder.reshape("RESHAPE")
    return builder.graph()


def pruned(graph: Graph) -> Graph:
    """The network with most of its weights 0, so that Huffman codes pay."""
    rng = np.random.default_rng(0)
    tensors: list[Tensor] = []
    for tensor in graph.tensors:
        if tensor.data is not None and tensor.name.startswith("w"):
            keep = rng.random(tensor.shape) < 0.2
            tensor = replace(tensor, data=np.where(keep, tensor.data, 0).astype(tensor.data.dtype))
        tensors.append(tensor)
    return replace(graph, tensors=tuple(tensors))


@dataclass
class MixedBuilder(Builder):
    """A builder whose scheme, and with it the type of its data, may change."""

    scheme: str = "f32"

    def switch(self, scheme: str) -> None:
        """Go on in another scheme."""
        self.scheme = scheme
        if DATA[scheme] == self.dtype:
            return
        was, self.dtype = self.dtype, DATA[scheme]
        if (was, self.dtype) == ("int8", "float32") and self.rng.random() < 0.5:
            scale = float(np.float32(10.0 ** self.rng.uniform(-3, 0)))
            zero_point = int(self.rng.integers(0, 256))
            shape = self.tensors[self.current].shape
            tensor = Tensor(f"t{len(self.tensors)}", shape, "uint8", (scale,), (zero_point,))
            self._to("QUANTIZE", self.append(tensor))
        output = self.activation(self.tensors[self.current].shape)
        self._to("DEQUANTIZE" if self.dtype == "float32" else "QUANTIZE", output)

    def _to(self, opcode: str, output: int) -> None:
        self.operators.append(Operator(opcode, (self.current,), (output,), NoOptions()))
        self.current = output

    def graph(self) -> Graph:
        """All inputs are of one type: those of another become constants."""
        for index in self.inputs[1:]:
            tensor = self.tensors[index]
            if tensor.dtype == self.tensors[self.inputs[0]].dtype:
                continue
            values = self.rng.normal(0, 1 if tensor.dtype == "float32" else 60, tensor.shape)
            data = np.clip(values, -127, 127).astype(tensor.dtype)
            self.tensors[index] = replace(tensor, data=data)
            self.inputs.remove(index)
        return super().graph()

    def transpose_conv(self, opcode: str) -> None:
        """Its weights are int8 or float32 only."""
        scheme, self.scheme = self.scheme, UNMIXED[self.dtype]
        super().transpose_conv(opcode)
        self.scheme = scheme

    def constants(
        self, shape: tuple[int, ...], axis: int, channels: int, per_channel: bool
    ) -> tuple[int, int]:
        """Weights and bias (-1 for none) as the scheme stores them."""
        if self.scheme in UNMIXED.values():
            return super().constants(shape, axis, channels, per_channel)
        data, weights, storage_only = scheme_graphs.SCHEMES[self.scheme]
        maker = scheme_graphs.Builder(
            self.rng,
            data,
            weights,
            storage_only,
            blocks=False,
            plain=False,
            tensors=self.tensors,
            operators=self.operators,
            current=self.current,
        )
        inputs, _ = maker.operands(shape, axis, per_channel or axis == 3)
        return inputs[1], inputs[2] if len(inputs) > 2 else -1
