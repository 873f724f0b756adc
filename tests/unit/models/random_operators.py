"""Random element-wise operators, and operators that move elements, for random networks.

Each function appends one operator that reads the network's current tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import (
    AddOptions,
    CallOnceOptions,
    ConcatenationOptions,
    LeakyReluOptions,
    LstmOptions,
    MeanOptions,
    NoOptions,
    Operator,
    Options,
    ResizeOptions,
    SplitOptions,
    SqueezeOptions,
    StridedSliceOptions,
    SvdfOptions,
    Tensor,
    VariableOptions,
)
from hilbench.quantization import Activation

if TYPE_CHECKING:
    from random_graphs import Builder

#: Larger tensors are only cut, never padded, joined or resized.
MOST_ELEMENTS = 2000


def shape_of(b: Builder) -> tuple[int, ...]:
    return b.tensors[b.current].shape


def is_small(b: Builder) -> bool:
    return b.tensors[b.current].elements <= MOST_ELEMENTS


def integers(b: Builder, values: Any, name: str = "constant") -> int:
    data = np.array(values, np.int32)
    return b.append(Tensor(name, data.shape, "int32", data=data))


def quantized(b: Builder, output: int, scale: float, zero_point: int | None = None) -> None:
    """Gives an output another scale, and zero point."""
    tensor = b.tensors[output]
    if b.dtype == "float32":
        return
    zero = tensor.zero_points if zero_point is None else (zero_point,)
    b.tensors[output] = replace(tensor, scales=(float(np.float32(scale)),), zero_points=zero)


# ---------------------------------------------------------------- sums and products


def binary(b: Builder, opcode: str) -> None:
    """ADD, SUB and MUL: a second operand that is fed, constant, or computed; often broadcast."""
    tensor = b.tensors[b.current]
    shape = tensor.shape
    computed = [*b.inputs, *b.computed()]
    same = [i for i in computed if (b.tensors[i].shape, b.tensors[i].dtype) == (shape, b.dtype)]
    kind = b.rng.random()
    if kind < 0.15:
        other = b.feed(shape)
    elif kind < 0.6:
        other_shape = tuple(1 if b.rng.random() < 0.5 else extent for extent in shape)
        other_shape = other_shape[int(b.rng.integers(0, len(shape))) :]
        other = constant(b, other_shape if kind < 0.45 else shape)
    else:
        other = int(b.rng.choice(same))
    output = b.activation(shape)
    second = b.tensors[other].scale
    steps = 60 if b.dtype == "int8" else 15000
    base = tensor.scale * second * steps if opcode == "MUL" else max(tensor.scale, second)
    quantized(b, output, max(base, 1e-6) * 10.0 ** b.rng.uniform(-1, 1))
    pair = (b.current, other) if b.rng.random() < 0.5 else (other, b.current)
    b.emit(opcode, pair, output, AddOptions(b.fused()))


def constant(b: Builder, shape: tuple[int, ...]) -> int:
    index = b.activation(shape)
    b.tensors[index] = replace(b.tensors[index], data=random_data(b, shape))
    return index


def random_data(b: Builder, shape: tuple[int, ...]) -> NDArray[Any]:
    if b.dtype != "float32":
        limits = np.iinfo(b.dtype)
        return b.rng.integers(limits.min, limits.max + 1, shape).astype(b.dtype)
    return b.rng.normal(0, 1, shape).astype(np.float32)


# ---------------------------------------------------------------- functions


def function(b: Builder, opcode: str) -> None:
    tensor = b.tensors[b.current]
    if b.dtype == "int16" and tensor.scale > 2 and opcode in ("LOGISTIC", "TANH"):
        opcode = "RELU"  # beyond what the table's argument can hold
    like = b.current if opcode in ("RELU6", "RELU_N1_TO_1") else None
    output = b.activation(tensor.shape, like)
    options: Options = NoOptions()
    if opcode == "LOGISTIC":
        if b.dtype == "int8":
            quantized(b, output, 1 / 256, -128)
        else:
            quantized(b, output, 1 / 32768)
    elif opcode == "TANH":
        quantized(b, output, 1 / 128 if b.dtype == "int8" else 1 / 32768, 0)
    elif opcode == "LEAKY_RELU":
        options = LeakyReluOptions(float(np.float32(b.rng.choice([0.1, 0.3, 1.0, -0.2, 2.0]))))
        quantized(b, output, tensor.scale * 10.0 ** b.rng.uniform(-0.5, 0.5))
    elif opcode in ("RELU", "HARD_SWISH"):
        quantized(b, output, tensor.scale * 10.0 ** b.rng.uniform(-1, 1))
    b.emit(opcode, (b.current,), output, options)


def requantize(b: Builder, opcode: str) -> None:
    """int8: to another quantization, or to float32 and back.  float32: to int8 and back."""
    shape = shape_of(b)
    if b.dtype != "float32" and b.rng.random() < 0.5:
        output = b.activation(shape)
        quantized(b, output, b.scale * 10.0 ** b.rng.uniform(-1, 1))
        b.emit("QUANTIZE", (b.current,), output, NoOptions())
        return
    other = Tensor(f"t{len(b.tensors)}", shape, "float32")
    if b.dtype == "float32":
        other = replace(other, dtype="int8", scales=(0.0625,), zero_points=(b.zero_point(),))
    elif b.dtype == "int16" and b.rng.random() < 0.5:  # to int8 and back
        scale = float(np.float32(b.scale * 256))
        other = replace(other, dtype="int8", scales=(scale,), zero_points=(5,))
    names = ("QUANTIZE", "DEQUANTIZE") if b.dtype == "float32" else ("DEQUANTIZE", "QUANTIZE")
    if other.dtype == "int8" and b.dtype == "int16":
        names = ("QUANTIZE", "QUANTIZE")
    b.emit(names[0], (b.current,), b.append(other), NoOptions())
    b.emit(names[1], (b.current,), b.activation(shape), NoOptions())


def mean(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    axes = [axis for axis in range(len(shape)) if b.rng.random() < 0.5] or [len(shape) - 1]
    if len(shape) == 4 and b.rng.random() < 0.4:
        axes = [1, 2]
    keep = bool(b.rng.random() < 0.6) or len(axes) == len(shape)
    kept = tuple(
        1 if axis in axes else extent
        for axis, extent in enumerate(shape)
        if keep or axis not in axes
    )
    output = b.activation(kept)
    quantized(b, output, b.scale * 10.0 ** b.rng.uniform(-1, 0.5))
    signed = [axis - len(shape) if b.rng.random() < 0.3 else axis for axis in axes]
    b.emit(opcode, (b.current, integers(b, signed)), output, MeanOptions(keep))


# ---------------------------------------------------------------- moving


def concatenation(b: Builder, opcode: str) -> None:
    if not is_small(b):
        return
    shape = shape_of(b)
    axis = int(b.rng.integers(0, len(shape)))
    parts = [b.current]
    for _ in range(int(b.rng.integers(0, 4))):
        extent = int(b.rng.integers(1, 4))
        part = b.activation((*shape[:axis], extent, *shape[axis + 1 :]), like=b.current)
        if b.rng.random() < 0.5:
            b.tensors[part] = replace(b.tensors[part], data=random_data(b, b.tensors[part].shape))
        elif b.rng.random() < 0.5:
            b.inputs.append(part)
        else:
            part = b.current
        parts.append(part)
    order = [int(i) for i in b.rng.permutation(parts)]
    extent = sum(b.tensors[part].shape[axis] for part in parts)
    output = b.activation((*shape[:axis], extent, *shape[axis + 1 :]), like=b.current)
    signed = axis - len(shape) if b.rng.random() < 0.5 else axis
    b.emit(opcode, tuple(order), output, ConcatenationOptions(signed))


def pad(b: Builder, opcode: str) -> None:
    if not is_small(b):
        return
    shape = shape_of(b)
    paddings = b.rng.integers(0, 3, (len(shape), 2)) * (b.rng.random((len(shape), 2)) < 0.6)
    if len(shape) == 4:
        paddings[0] = 0  # a batch of 1, so that convolutions may follow
    padded = tuple(int(extent + sum(p)) for extent, p in zip(shape, paddings, strict=True))
    inputs = [b.current, integers(b, paddings)]
    if opcode == "PADV2":
        value = b.activation((), like=b.current)
        b.tensors[value] = replace(b.tensors[value], data=random_data(b, ()))
        inputs.append(value)
    b.emit(opcode, tuple(inputs), b.activation(padded, like=b.current), NoOptions())


def transpose(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    order = [int(axis) for axis in b.rng.permutation(len(shape))]
    if len(shape) == 4 and b.rng.random() < 0.7:
        order = [0, *(int(axis) for axis in 1 + b.rng.permutation(3))]
    output = b.activation(tuple(shape[axis] for axis in order), like=b.current)
    b.emit(opcode, (b.current, integers(b, order)), output, NoOptions())


def cut(b: Builder, opcode: str) -> None:
    """SLICE."""
    shape = shape_of(b)
    begins = [int(b.rng.integers(0, extent)) for extent in shape]
    sizes = [
        int(b.rng.integers(1, extent - begin + 1))
        for extent, begin in zip(shape, begins, strict=True)
    ]
    asked = [
        -1 if begin + size == extent and b.rng.random() < 0.5 else size
        for extent, begin, size in zip(shape, begins, sizes, strict=True)
    ]
    output = b.activation(tuple(sizes), like=b.current)
    inputs = (b.current, integers(b, begins), integers(b, asked))
    b.emit(opcode, inputs, output, NoOptions())


def strided_slice(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    begins, ends, steps, extents = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for axis, extent in enumerate(shape):
        step = int(b.rng.choice([1, 1, 2, 3, -1, -2]))
        first, last = sorted(int(v) for v in b.rng.integers(0, extent, 2))
        begin, end = (first, last + 1) if step > 0 else (last, first - 1)
        positions = len(range(begin, end, step))
        if end < 0 or b.rng.random() < 0.3:
            masks["end_mask"] |= 1 << axis
            positions = len(range(begin, extent if step > 0 else -1, step))
            end = 0
        if axis and b.rng.random() < 0.1 and step > 0:
            masks["shrink_axis_mask"] |= 1 << axis
            begin, end, positions = first, first + 1, 0
        begins.append(begin - extent if b.rng.random() < 0.3 else begin)
        ends.append(end)
        steps.append(step)
        if positions:
            extents.append(positions)
    output = b.activation(tuple(extents), like=b.current)
    inputs = (b.current, *(integers(b, values) for values in (begins, ends, steps)))
    b.emit(opcode, inputs, output, StridedSliceOptions(**masks))


def split(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    axis = int(b.rng.integers(0, len(shape)))
    extent = shape[axis]
    if opcode == "SPLIT":
        count = int(b.rng.choice([n for n in range(1, min(extent, 5) + 1) if extent % n == 0]))
        sizes = [extent // count] * count
    else:
        count = int(b.rng.integers(1, min(extent, 4) + 1))
        cuts = sorted(int(v) for v in b.rng.choice(np.arange(1, extent), count - 1, False))
        sizes = [end - start for start, end in zip([0, *cuts], [*cuts, extent], strict=True)]
    outputs = tuple(
        b.activation((*shape[:axis], size, *shape[axis + 1 :]), like=b.current) for size in sizes
    )
    place = integers(b, axis - len(shape) if b.rng.random() < 0.3 else axis)
    inputs = (place, b.current) if opcode == "SPLIT" else (b.current, integers(b, sizes), place)
    b.operators.append(Operator(opcode, inputs, outputs, SplitOptions(count)))
    b.current = int(b.rng.choice(outputs))


def squeeze(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    ones = [axis for axis, extent in enumerate(shape) if extent == 1]
    axes = [axis for axis in ones if b.rng.random() < 0.5]
    gone = axes or ones
    if len(gone) == len(shape):
        return
    output = b.activation(
        tuple(extent for axis, extent in enumerate(shape) if axis not in gone), like=b.current
    )
    b.emit(opcode, (b.current,), output, SqueezeOptions(tuple(axes)))


def expand_dims(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    if len(shape) == 4:
        return
    axis = int(b.rng.integers(0, len(shape) + 1))
    output = b.activation((*shape[:axis], 1, *shape[axis:]), like=b.current)
    b.emit(opcode, (b.current, integers(b, [axis])), output, NoOptions())


def resize(b: Builder, opcode: str) -> None:
    shape = shape_of(b)
    if len(shape) != 4 or shape[0] != 1 or not is_small(b):
        return
    sizes = [int(v) for v in b.rng.integers(1, 12, 2)]
    kind = int(b.rng.integers(0, 3))
    output = b.activation((1, *sizes, shape[3]), like=b.current)
    options = ResizeOptions(kind == 1, kind == 2)
    b.emit(opcode, (b.current, integers(b, sizes)), output, options)


def variable(b: Builder, opcode: str) -> None:
    """A variable that is read and assigned, before, between and after what looks at it."""
    if not b.operators or b.operators[0].opcode != "CALL_ONCE":
        b.operators.insert(0, Operator("CALL_ONCE", (), (), CallOnceOptions(1)))
    shape = shape_of(b)
    number = len(b.tensors)
    handle = b.activation(shape, like=b.current)
    initial = random_data(b, shape)
    if b.rng.random() < 0.5:
        initial[...] = initial.flat[0]
    b.tensors[handle] = replace(
        b.tensors[handle], name=f"v{number}", is_variable=True, initial=initial
    )
    b.operators.append(Operator("VAR_HANDLE", (), (handle,), VariableOptions("", f"v{number}")))
    value = b.current
    b.emit(opcode, (handle,), b.activation(shape, like=value), NoOptions())
    seen = b.current
    if b.rng.random() < 0.3:  # a view that outlives the assignment
        b.reshape("RESHAPE")
    kind = b.rng.random()
    if kind < 0.4:
        b.operators.append(Operator("ASSIGN_VARIABLE", (handle, value), (), NoOptions()))
    joined = b.activation(shape)
    quantized(b, joined, max(b.scale, 1e-6) * 2)
    b.emit("ADD", (seen, value), joined, AddOptions())
    if kind >= 0.4:
        held = value if kind < 0.8 else seen
        b.operators.append(Operator("ASSIGN_VARIABLE", (handle, held), (), NoOptions()))


def state(b: Builder, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int) -> int:
    """A variable that an operator changes by itself; it begins as zero."""
    quantization: dict[str, Any] = {}
    if dtype != "float32":
        quantization = {"scales": (float(np.float32(scale)),), "zero_points": (zero_point,)}
    name = f"s{len(b.tensors)}"
    return b.append(Tensor(name, shape, dtype, **quantization, is_variable=True))


def recurrent_weights(b: Builder, shape: tuple[int, ...], dtype: str, scale: float) -> int:
    if dtype == "float32":
        data: NDArray[Any] = b.rng.normal(0, 0.5, shape).astype(np.float32)
        return b.append(Tensor(f"w{len(b.tensors)}", shape, dtype, data=data))
    limits = np.iinfo(dtype)
    data = b.rng.integers(limits.min + 1, limits.max + 1, shape).astype(dtype)
    scales = (float(np.float32(scale)),)
    return b.append(Tensor(f"w{len(b.tensors)}", shape, dtype, scales, (0,), data=data))


def recurrent_bias(b: Builder, units: int, dtype: str, scale: float, reach: float) -> int:
    """A bias of real values up to ``reach``."""
    data: NDArray[Any] = b.rng.uniform(-reach, reach, units)
    if dtype == "float32":
        return b.append(Tensor(f"b{len(b.tensors)}", (units,), dtype, data=data.astype(dtype)))
    scales = (float(np.float32(scale)),)
    values = np.clip(np.rint(data / scale), -(2**30), 2**30).astype(dtype)
    return b.append(Tensor(f"b{len(b.tensors)}", (units,), dtype, scales, (0,), data=values))


def svdf(b: Builder, opcode: str) -> None:
    if len(shape_of(b)) != 2:
        return
    batch, depth = shape_of(b)
    rank, units, memory = (int(v) for v in b.rng.integers(1, 5, 3))
    filters = rank * units
    is_float = b.dtype == "float32"
    kind = "float32" if is_float else str(b.rng.choice(["int8", "int16"]))
    features = recurrent_weights(b, (filters, depth), b.dtype, 0.01)
    step = 0.01 * b.scale * 127 * 127 * np.sqrt(depth) / (127 if kind == "int8" else 32767)
    # With another zero point the wheel's state wraps where it should saturate: it clamps before it
    # adds the zero point, which later releases of TensorFlow Lite Micro put right.
    # at most 50, so that the bias scale (state x time) stays below 1: the wheel holds it to 1e-5
    held = state(b, (batch, memory * filters), kind, float(np.float32(min(step, 50.0) or 1.0)), 0)
    time = recurrent_weights(b, (filters, memory), kind, 0.01)
    unit = b.tensors[held].scale * b.tensors[time].scale
    unit = float(np.float32(min(unit, 1.0))) or 1.0
    bias = recurrent_bias(b, units, "float32" if is_float else "int32", unit, 1000 * unit)
    output = b.activation((batch, units))
    reach = 127 if kind == "int8" else 32767
    quantized(b, output, max(unit * reach * reach * 0.02, 1e-6))
    activation = b.fused() if is_float else Activation.NONE
    inputs = (b.current, features, time, bias, held)
    b.emit(opcode, inputs, output, SvdfOptions(rank, activation))


def lstm(b: Builder, opcode: str) -> None:
    if len(shape_of(b)) != 3 or not is_small(b):
        return
    shape, time_major = shape_of(b), bool(b.rng.random() < 0.5)
    units, depth = int(b.rng.integers(1, 6)), shape[2]
    batch = shape[1] if time_major else shape[0]
    is_float = b.dtype == "float32"
    kind = "float32" if is_float else "int8"
    unit = 1.0 / (200.0 * np.sqrt(depth) * (b.scale or 1.0) * (1 if b.dtype == "int8" else 200))
    of_input = [recurrent_weights(b, (units, depth), kind, unit / 20) for _ in range(4)]
    of_hidden = [recurrent_weights(b, (units, units), kind, 0.02) for _ in range(4)]
    wide = {"int8": "int32", "int16": "int64", "float32": "float32"}[b.dtype]
    scales = [b.scale * b.tensors[w].scale for w in of_input]
    biases = [recurrent_bias(b, units, wide, scale, 2.0) for scale in scales]
    hidden_scale = 1 / 128 if b.dtype == "int8" else 1 / 32768
    zero = int(b.rng.integers(-20, 20)) if b.dtype == "int8" else 0
    hidden = state(b, (batch, units), b.dtype, hidden_scale, zero)
    power = -int(b.rng.integers(9, 14))
    cell = state(b, (batch, units), "float32" if is_float else "int16", 2.0**power, 0)
    output = b.activation((*shape[:2], units))
    quantized(b, output, hidden_scale, zero)
    none = -1
    inputs = (
        *(b.current, *of_input, *of_hidden, none, none, none, *biases, none, none),
        *(hidden, cell, none, none, none, none),
    )
    clip = float(b.rng.choice([0.0, 0.0, 1.0, 3.0]))
    b.emit(opcode, inputs, output, LstmOptions(clip, 0.0, time_major))


OPERATORS: dict[str, Callable[[Builder, str], None]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL"), binary),
    **dict.fromkeys(("LOGISTIC", "TANH", "RELU", "RELU6", "HARD_SWISH", "LEAKY_RELU"), function),
    "QUANTIZE": requantize,
    "MEAN": mean,
    "CONCATENATION": concatenation,
    "PAD": pad,
    "PADV2": pad,
    "TRANSPOSE": transpose,
    "SLICE": cut,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "SPLIT_V": split,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "RESIZE_NEAREST_NEIGHBOR": resize,
    "READ_VARIABLE": variable,
    "SVDF": svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
}
#: What the engine, or the oracle, lacks in a type.
LACKING: dict[str, set[str]] = {"int8": set(), "float32": set(), "int16": {"HARD_SWISH", "SVDF"}}
#: Whatever random networks of a type contain.
EVERY_OPERATOR = {*OPERATORS, "DEQUANTIZE", "CALL_ONCE", "VAR_HANDLE", "ASSIGN_VARIABLE"}
