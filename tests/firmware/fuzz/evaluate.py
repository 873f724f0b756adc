"""What an accepted image must compute: its records, executed by the numpy reference.

The evaluator takes an image apart and runs its operators one by one in an arena of bytes, as the
engine must: every tensor is read and written at its place, so that changed places, shapes, orders,
constants and parameters all have a definite result.  Each byte is *known*, a float32 *NaN* (whose
bits IEEE 754 leaves open), or *unknown*: what a kernel leaves in scratch, and the output of an
operator that cannot be expressed:

* streams of packed kernels are opaque.  They are looked up among those that the packer made for the
  seeds, and evaluated with the weights that they were made from; a stream, offset or clamp of a
  packed operator that no seed has makes its output unknown (strides, padding and spatial shapes may
  change, but for depthwise ones, whose streams depend on them).  Such mutants are checked by the
  sanitizers and by what they must not write;
* LSTM and SVDF, and the states that they write;
* code tables that are no prefix code, tables of an int16 softmax that are not positive;
* weights of convolutions that are not finite (the reference multiplies padding by them, the kernels
  and LiteRT leave it out);
* floats that are not finite at the input of a dynamically quantized operator.

Unknown bytes spread to everything computed from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.fold import dequantized
from hilbench.models.graph import Graph, Tensor
from hilbench.models.image_reader import ImageRecords, read_image
from hilbench.models.lowering import Step
from hilbench.models.operator_view import Params
from hilbench.models.reference import execute
from hilbench.models.reference_movement import move
from hilbench.quantization import unpack_int4
from hilbench.schema import image as m

Bytes = NDArray[np.uint8]
KNOWN, NAN, UNKNOWN = range(3)
ARENA_FILL = 0xA5
CODED_HEAD_BYTES, MAX_CODE_BITS = 4, 15
WINDOWED = (m.Opcode.CONV_2D, m.Opcode.DEPTHWISE_CONV_2D, m.Opcode.TRANSPOSE_CONV)
RECURRENT = (m.Opcode.LSTM, m.Opcode.SVDF)
POOLS = (m.Opcode.AVERAGE_POOL_2D, m.Opcode.MAX_POOL_2D)
BINARY = (m.Opcode.ADD, m.Opcode.SUB, m.Opcode.MUL)
WEIGHTED = (*WINDOWED, m.Opcode.FULLY_CONNECTED)
DYNAMIC = m.OpFlag.DYNAMIC_SYMMETRIC | m.OpFlag.DYNAMIC_ASYMMETRIC
MOVES = ("stride_h", "stride_w", "pad_top", "pad_left")


class Unknown(Exception):
    """The operator's result cannot be said."""


@dataclass(frozen=True, eq=False)
class Original:
    """What a packed operator was made from."""

    step: Step
    weights: Tensor | None
    bias: Tensor | None
    shapes: tuple[tuple[int, ...], tuple[int, ...]]


#: Packed operators of the seeds by opcode, kernel, stream and the parameters that must stay.
Originals = dict[tuple[int, int, bytes, object], Original]


def key(opcode: int, kernel: int, stream: bytes, params: Params | None) -> Any:
    """Key of :data:`Originals`."""
    kept = params
    if isinstance(params, m.Conv):
        kept = replace(params, **dict.fromkeys(MOVES, 1))
    return int(opcode), 4 if kernel == m.Kernel.RV32 else int(kernel), stream, kept


def strides(params: Params | None) -> tuple[int, ...]:
    """Stride and padding of a convolution."""
    return tuple(getattr(params, name) for name in MOVES)


def feed(vector: bytes, size: int) -> Bytes:
    """An input of ``size`` bytes: the vector, again and again."""
    return np.resize(np.frombuffer(vector, np.uint8), size)


@dataclass
class Memory:
    """The arena, and what is known of each byte."""

    size: int
    data: Bytes = field(init=False)
    state: Bytes = field(init=False)

    def __post_init__(self) -> None:
        self.data = np.full(self.size, ARENA_FILL, np.uint8)
        self.state = np.zeros(self.size, np.uint8)


class Evaluator:
    """Executes one image."""

    def __init__(self, image: bytes, originals: Originals) -> None:
        self.image = image
        self.records: ImageRecords = read_image(image)
        self.originals = originals
        self.memory = Memory(self.records.header.arena_bytes)

    def run(self, vector: bytes) -> Memory:
        """The arena after a reset and one inference."""
        ops = list(enumerate(self.records.ops))
        for number, op in ops:
            if op.flags & m.OpFlag.INIT:
                self._run(number, op)
        for index in self.records.inputs:
            tensor = self.records.tensors[index]
            place = slice(tensor.offset, tensor.offset + tensor.bytes)
            self.memory.data[place] = feed(vector, tensor.bytes)
            self.memory.state[place] = KNOWN
        for number, op in ops:
            if not op.flags & m.OpFlag.INIT:
                self._run(number, op)
        return self.memory

    def _run(self, number: int, op: m.Op) -> None:
        out = self.records.tensors[op.output]
        place = slice(out.offset, out.offset + out.bytes)
        written = self._written(number, op, out)
        try:
            raw = np.frombuffer(self._result(number, op, out), np.uint8)
        except Unknown:
            self.memory.state[place][written] = UNKNOWN
        else:
            assert raw.size == out.bytes
            states = np.zeros(out.bytes, np.uint8)
            if out.dtype == m.Dtype.FLOAT32:
                nans = np.isnan(np.frombuffer(raw.tobytes(), "<f4"))
                states = np.repeat(np.where(nans, NAN, KNOWN), 4).astype(np.uint8)
            self.memory.data[place][written] = raw[written]
            self.memory.state[place][written] = states[written]
        for slot in (1, 2) if op.opcode in RECURRENT else ():
            state = self._slot(op, slot)
            if state is not None and state.storage != m.Storage.CONSTANT:
                self.memory.state[state.offset : state.offset + state.bytes] = UNKNOWN
        scratch = slice(op.scratch_offset, op.scratch_offset + op.scratch_bytes)
        self.memory.state[scratch] = UNKNOWN

    def _written(self, number: int, op: m.Op, out: m.Tensor) -> NDArray[np.bool_]:
        """Which bytes of its output an operator writes: all but for a MOVE."""
        params = self.records.params[number]
        if not isinstance(params, m.Move):
            return np.ones(out.bytes, np.bool_)
        step = Step(number, m.Opcode.MOVE, (), 0, params)
        source = self._slot(op, 0)
        assert source is not None
        elements = int(np.prod(out.dims))
        marks = move(
            step,
            np.ones((1, int(np.prod(source.dims))), np.bool_),
            np.zeros((1, elements), np.bool_),
        )
        return np.repeat(marks.ravel(), out.bytes // elements)

    # ------------------------------------------------------------ tensors

    def _bytes(self, tensor: m.Tensor) -> bytes:
        place = slice(tensor.offset, tensor.offset + tensor.bytes)
        if tensor.storage == m.Storage.CONSTANT:
            return self.image[place]
        states = self.memory.state[place]
        worst = UNKNOWN if tensor.dtype == m.Dtype.FLOAT32 else NAN
        if (states >= worst).any():
            raise Unknown
        if tensor.dtype == m.Dtype.FLOAT32 and (states == NAN).any():
            values = self.memory.data[place].view("<f4")
            if not (np.isnan(values) == (states.reshape(-1, 4) == NAN).all(axis=1)).all():
                raise Unknown  # a NaN of another alignment
        return self.memory.data[place].tobytes()

    def _array(self, tensor: m.Tensor) -> NDArray[Any]:
        """The tensor's elements, shape ``dims``; int4 as int8 values, float8 as codes."""
        raw = self._bytes(tensor)
        count = int(np.prod(tensor.dims))
        if tensor.dtype == m.Dtype.INT4:
            return unpack_int4(np.frombuffer(raw, np.uint8), count).reshape(tensor.dims)
        name = m.Dtype(tensor.dtype).name.lower()
        kind = np.dtype("u1" if name == "float8" else name).newbyteorder("<")
        return np.frombuffer(raw, kind).reshape(tensor.dims)

    def _slot(self, op: m.Op, slot: int) -> m.Tensor | None:
        index = op.inputs[slot]
        return None if index == m.NO_TENSOR else self.records.tensors[index]

    # ------------------------------------------------------------ operators

    def _result(self, number: int, op: m.Op, out: m.Tensor) -> bytes:
        if op.opcode in RECURRENT:
            raise Unknown
        if op.opcode == m.Opcode.EXPAND:
            return self._expand(op, out)
        if op.opcode == m.Opcode.RESHAPE:
            data = self._slot(op, 0)
            assert data is not None
            return self._bytes(data)
        params = self.records.params[number]
        tensors: list[Tensor] = []
        values: dict[int, NDArray[Any]] = {}
        inputs: list[int] = []

        def constant(tensor: Tensor | None) -> None:
            inputs.append(-1 if tensor is None else len(tensors))
            if tensor is not None:
                tensors.append(tensor)

        def data(tensor: m.Tensor, array: NDArray[Any]) -> None:
            batches = _batches(op.opcode, tensor)
            shape = tuple(tensor.dims)
            if batches is not None:
                shape = (1, *shape[1:])
            values[len(tensors)] = array.reshape(batches or 1, *shape)
            inputs.append(len(tensors))
            tensors.append(Tensor("data", shape, m.Dtype(tensor.dtype).name.lower()))

        step = Step(0, m.Opcode(op.opcode), (), 0, params, flags=op.flags & DYNAMIC)
        first = self._slot(op, 0)
        if first is not None:
            array = self._array(first)
            if op.flags & DYNAMIC and not np.isfinite(array).all():
                raise Unknown
            data(first, array)
        if op.variant > m.Kernel.REFERENCE and op.opcode not in POOLS:
            step = self._packed(op, step, data, constant)
        elif op.opcode in WEIGHTED:
            step = self._weighted(op, step, out, constant)
        elif op.opcode in BINARY:
            second = self._slot(op, 1)
            assert second is not None
            data(second, self._array(second))
        else:
            rest = [self._slot(op, slot) for slot in (1, 2)]
            tables = tuple(self._array(t).ravel() for t in rest if t is not None)
            if op.opcode == m.Opcode.SOFTMAX and any((table <= 0).any() for table in tables):
                raise Unknown
            step = replace(step, tables=tables)
        shape = tuple(out.dims)
        if first is not None and _batches(op.opcode, first) is not None:
            shape = (1, *shape[1:])
        if op.opcode == m.Opcode.FULLY_CONNECTED:
            shape = (int(np.prod(shape[:-1])), shape[-1])
        output = len(tensors)
        name = m.Dtype(out.dtype).name.lower()
        tensors.append(Tensor("output", shape, name))
        if op.opcode == m.Opcode.MOVE:
            values[output] = self._before(out, name)
        step = replace(step, inputs=tuple(inputs), output=output)
        _check_weights(op, tensors, inputs)
        graph = Graph(tuple(tensors), (), (), ())
        with np.errstate(all="ignore"):
            result = execute(graph, step, values, len(next(iter(values.values()), [0])))
        if op.opcode in BINARY:  # both operands may be smaller than the output
            result = np.broadcast_to(result, (1, *shape))
        return np.ascontiguousarray(result).astype(f"<{np.dtype(name).str[1:]}").tobytes()

    def _before(self, out: m.Tensor, name: str) -> NDArray[Any]:
        place = slice(out.offset, out.offset + out.bytes)
        return self.memory.data[place].copy().view(name).reshape(1, *out.dims)

    def _weighted(
        self, op: m.Op, step: Step, out: m.Tensor, constant: Callable[[Tensor | None], None]
    ) -> Step:
        first, stored, bias = (self._slot(op, slot) for slot in range(3))
        assert first is not None
        assert stored is not None
        values = self._array(stored)
        by_rows = stored.dtype != first.dtype
        axis = 0
        if op.opcode == m.Opcode.DEPTHWISE_CONV_2D:
            axis = 3
            if by_rows:
                values = values[..., 0].transpose(1, 2, 0)[None]
        if op.opcode == m.Opcode.FULLY_CONNECTED:
            values = values[0, 0]
        kind = m.Dtype(stored.dtype).name.lower()
        weights = Tensor("weights", values.shape, kind, quantized_dimension=axis, data=values)
        extra = [self._slot(op, slot) for slot in (3, 4)]
        if first.dtype == m.Dtype.FLOAT32:
            if extra[0] is not None:
                table = self._array(extra[0])[0, 0].astype(np.float32)
                step = replace(step, scales=table)
                blocks = table.shape[1]
                size = values.shape[-1] // blocks if blocks > 1 else 0
                scales = tuple(float(v) for v in table.ravel())
                weights = replace(weights, scales=scales, block_size=size)
        else:
            assert extra[0] is not None
            assert extra[1] is not None
            multiplier, shift = (self._array(t).ravel() for t in extra if t is not None)
            step = replace(step, multiplier=multiplier, shift=shift)
        constant(weights)
        if bias is None:
            constant(None)
        else:
            array = self._array(bias).ravel()
            constant(Tensor("bias", array.shape, m.Dtype(bias.dtype).name.lower(), data=array))
        return step

    def _packed(
        self,
        op: m.Op,
        step: Step,
        data: Callable[[m.Tensor, NDArray[Any]], None],
        constant: Callable[[Tensor | None], None],
    ) -> Step:
        slot = 1
        if op.opcode == m.Opcode.ADD:
            second, slot = self._slot(op, 1), 2
            assert second is not None
            data(second, self._array(second))
        stream = self._slot(op, slot)
        assert stream is not None
        found = self.originals.get(key(op.opcode, op.variant, self._bytes(stream), step.params))
        if found is None:
            raise Unknown
        params = found.step.params
        depthwise = op.opcode == m.Opcode.DEPTHWISE_CONV_2D
        given = tuple(self.records.tensors[i].dims for i in (op.inputs[0], op.output))
        if depthwise and (given != found.shapes or strides(step.params) != strides(params)):
            raise Unknown
        if isinstance(params, m.Conv) and isinstance(step.params, m.Conv):
            params = replace(params, **{name: getattr(step.params, name) for name in MOVES})
        if op.opcode != m.Opcode.ADD:
            constant(found.weights)
            constant(found.bias)
        return replace(found.step, params=params)

    def _expand(self, op: m.Op, out: m.Tensor) -> bytes:
        """Codes as the device reads them (firmware, hb_expand_ref.c): behind the end there are
        zeros, and bits that no symbol has give symbol 0 and count as a code of the most bits."""
        blob, table = self._slot(op, 0), self._slot(op, 1)
        assert blob is not None
        assert table is not None
        pairs = np.frombuffer(self._bytes(table), np.uint8)
        lengths = np.stack([pairs & 15, pairs >> 4], axis=1).ravel().astype(int)
        if sum(1 << (MAX_CODE_BITS - n) for n in lengths if n) > 1 << MAX_CODE_BITS:
            raise Unknown
        symbols: dict[tuple[int, int], int] = {}
        code = 0
        for length in range(1, MAX_CODE_BITS + 1):
            for symbol in np.flatnonzero(lengths == length):
                symbols[length, code] = int(symbol)
                code += 1
            code <<= 1
        size = int.from_bytes(self.image[blob.offset : blob.offset + CODED_HEAD_BYTES], "little")
        start = blob.offset + CODED_HEAD_BYTES
        stored = np.unpackbits(np.frombuffer(self.image[start : start + size], np.uint8))
        bits = np.concatenate([stored, np.zeros(MAX_CODE_BITS * out.bytes, np.uint8)]).tolist()
        result, at = bytearray(), 0
        for _ in range(out.bytes):
            code = 0
            for length in range(1, MAX_CODE_BITS + 1):
                code = code << 1 | bits[at + length - 1]
                if (length, code) in symbols:
                    break
            result.append(symbols.get((length, code), 0))
            at += length
        return bytes(result)


def _check_weights(op: m.Op, tensors: list[Tensor], inputs: list[int]) -> None:
    """Unknown where the weights don't fit what they meet, or the reference is not exact."""
    if op.opcode not in WEIGHTED:
        return
    data, weights, output = tensors[inputs[0]], tensors[inputs[1]], tensors[-1]
    assert weights.data is not None
    if op.opcode == m.Opcode.FULLY_CONNECTED:
        fits = (
            data.elements == output.shape[0] * weights.shape[1]
            and output.shape[1] == weights.shape[0]
        )
    elif op.opcode in (m.Opcode.CONV_2D, m.Opcode.TRANSPOSE_CONV):
        fits = (data.shape[3], output.shape[3]) == (weights.shape[3], weights.shape[0])
    else:
        fits = output.shape[3] == weights.shape[3]
    if not fits:
        raise Unknown
    if data.dtype == "float32" and op.opcode in WINDOWED:
        with np.errstate(all="ignore"):
            finite = np.isfinite(dequantized(weights)).all()
        if not finite:
            raise Unknown


def _batches(opcode: int, tensor: m.Tensor) -> int | None:
    """Images that an operator treats one by one; None: it takes the tensor as a whole."""
    return tensor.dims[0] if opcode in WINDOWED or opcode in POOLS else None
