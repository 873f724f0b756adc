"""Lowering of the operators that only move elements: each becomes strided copies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import UnsupportedOp
from hilbench.models.graph import (
    ConcatenationOptions,
    ReshapeOptions,
    ResizeOptions,
    SplitOptions,
    SqueezeOptions,
    StridedSliceOptions,
    Tensor,
)
from hilbench.models.operator_view import OperatorView, Step
from hilbench.quantization import Activation
from hilbench.schema import image

#: Rows and columns of a resized image are 16-bit numbers of the image.
MAX_RESIZED = 32767


@dataclass(frozen=True)
class Box:
    """Elements that are moved: extents, then distances and first element on either side."""

    extents: tuple[int, ...]
    in_strides: tuple[int, ...]
    out_strides: tuple[int, ...]
    in_offset: int = 0
    out_offset: int = 0

    def params(self) -> image.Move:
        """The record: axes of extent 1 dropped, adjacent axes that continue each other merged."""
        axes: list[tuple[int, int, int]] = []
        for axis in zip(self.extents, self.in_strides, self.out_strides, strict=True):
            extent, step_in, step_out = axis
            if extent == 1:
                continue
            if axes and axes[-1][1:] == (step_in * extent, step_out * extent):
                axes[-1] = (axes[-1][0] * extent, step_in, step_out)
            else:
                axes.append(axis)
        axes = [(1, 0, 0)] * (image.MAX_RANK - len(axes)) + axes
        (a, b, c, d), (e, f, g, h), (i, j, k, m) = zip(*axes, strict=True)
        return image.Move((a, b, c, d), (e, f, g, h), (i, j, k, m), self.in_offset, self.out_offset)


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Distances of a dense tensor, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _source(view: OperatorView, slot: int = 0) -> Tensor:
    """Data that is moved, of the type and quantization of the output."""
    data = view.data(slot)
    view.same_quantization(data)
    return data


def _computed(view: OperatorView, data: Tensor) -> None:
    if data.data is not None:
        raise UnsupportedOp(f"{view.label}: a constant input")


def _move(view: OperatorView, box: Box, slot: int = 0, output: int | None = None) -> Step:
    inputs = (view.operator.inputs[slot],)
    return view.step(image.Opcode.MOVE, inputs, box.params(), output=output)


# ---------------------------------------------------------------- the same elements in order


def lower_reshape(view: OperatorView) -> Step:
    """RESHAPE."""
    options = view.operator.options
    assert isinstance(options, ReshapeOptions)
    view.arity(1, 2)
    shape = options.new_shape
    tensor = view.tensors[1] if len(view.tensors) == 2 else None
    if tensor is not None:
        if tensor.data is None or tensor.dtype != "int32":
            raise UnsupportedOp(f"{view.label}: a shape that is computed")
        shape = tuple(int(extent) for extent in tensor.data.ravel())
    step = _alias(view)
    _check_new_shape(view, shape)
    return step


def _alias(view: OperatorView) -> Step:
    data = _source(view)
    _computed(view, data)
    if data.elements != view.output.elements:
        raise view.fail(f"{data.elements} elements into {view.output.elements}")
    return view.step(image.Opcode.RESHAPE, view.operator.inputs[:1])


def _check_new_shape(view: OperatorView, shape: tuple[int, ...]) -> None:
    """The asked shape, -1 = the rest, is the output's."""
    actual = view.output.shape
    agrees = len(shape) == len(actual) and all(
        asked in (-1, extent) for asked, extent in zip(shape, actual, strict=True)
    )
    if shape and (not agrees or shape.count(-1) > 1):
        raise view.fail(f"shape {list(shape)} asked, output {list(actual)}")


def lower_squeeze(view: OperatorView) -> Step:
    """SQUEEZE."""
    options = view.operator.options
    assert isinstance(options, SqueezeOptions)
    view.arity(1, 1)
    step = _alias(view)
    shape = view.data().shape
    axes = {view.axis(axis, len(shape)) for axis in options.dimensions}
    if any(shape[axis] != 1 for axis in axes):
        raise view.fail(f"dimensions {list(options.dimensions)} of {list(shape)} are not all 1")
    axes = axes or {axis for axis, extent in enumerate(shape) if extent == 1}
    view.check_output(tuple(extent for axis, extent in enumerate(shape) if axis not in axes))
    return step


def lower_expand_dims(view: OperatorView) -> Step:
    """EXPAND_DIMS."""
    view.arity(2, 2)
    step = _alias(view)
    shape = view.data().shape
    values = view.integers(1)
    if len(values) != 1:
        raise view.fail(f"{len(values)} axes")
    axis = view.axis(values[0], len(shape) + 1)
    view.check_output((*shape[:axis], 1, *shape[axis:]))
    return step


# ---------------------------------------------------------------- joining and cutting


def lower_concatenation(view: OperatorView) -> tuple[Step, ...]:
    """CONCATENATION: one copy per input."""
    options = view.operator.options
    assert isinstance(options, ConcatenationOptions)
    if options.activation is not Activation.NONE:
        raise UnsupportedOp(f"{view.label}: a fused activation")
    if not view.tensors:
        raise view.fail("no inputs")
    shape = view.output.shape
    axis = view.axis(options.axis, len(shape))
    steps, at = [], 0
    for slot in range(len(view.tensors)):
        part = _source(view, slot)
        if len(part.shape) != len(shape):
            raise view.fail(f"input '{part.name}' has {len(part.shape)} dimensions")
        steps.append(
            _move(
                view,
                Box(part.shape, strides(part.shape), strides(shape), 0, at * strides(shape)[axis]),
                slot,
            )
        )
        at += part.shape[axis]
        _same_but(view, part, axis)
    view.check_output((*shape[:axis], at, *shape[axis + 1 :]))
    return tuple(steps)


def _same_but(view: OperatorView, part: Tensor, axis: int) -> None:
    expected = [e for i, e in enumerate(view.output.shape) if i != axis]
    if [e for i, e in enumerate(part.shape) if i != axis] != expected:
        raise view.fail(f"input '{part.name}' has shape {list(part.shape)}")


def lower_split(view: OperatorView) -> tuple[Step, ...]:
    """SPLIT (axis, data) and SPLIT_V (data, sizes, axis): one copy per output."""
    options = view.operator.options
    assert isinstance(options, SplitOptions)
    by_sizes = view.operator.opcode == "SPLIT_V"
    view.arity(3 if by_sizes else 2, 3 if by_sizes else 2)
    data_slot, axis_slot = (0, 2) if by_sizes else (1, 0)
    data = view.data(data_slot)
    _computed(view, data)
    axes = view.integers(axis_slot)
    if len(axes) != 1:
        raise view.fail(f"{len(axes)} axes")
    axis = view.axis(axes[0], len(data.shape))
    sizes = _sizes(view, data.shape[axis], by_sizes)
    if len(sizes) != len(view.outputs) or options.count != len(sizes):
        raise view.fail(f"{len(view.outputs)} outputs, {len(sizes)} parts")
    steps, at = [], 0
    for number, size in enumerate(sizes):
        part = view.outputs[number]
        shape = (*data.shape[:axis], size, *data.shape[axis + 1 :])
        if part.shape != shape or part.dtype != data.dtype:
            raise view.fail(f"output '{part.name}' has shape {list(part.shape)}")
        if (part.scales, part.zero_points) != (data.scales, data.zero_points):
            raise view.fail(f"output '{part.name}' is quantized otherwise than '{data.name}'")
        steps.append(
            _move(
                view,
                Box(shape, strides(data.shape), strides(shape), at * strides(data.shape)[axis]),
                data_slot,
                view.operator.outputs[number],
            )
        )
        at += size
    return tuple(steps)


def _sizes(view: OperatorView, extent: int, by_sizes: bool) -> list[int]:
    count = len(view.outputs)
    if not by_sizes:
        if extent % count:
            raise view.fail(f"{extent} positions in {count} equal parts")
        return [extent // count] * count
    sizes = list(view.integers(1))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = extent - sum(size for size in sizes if size != -1)
    if any(size < 1 for size in sizes) or sum(sizes) != extent:
        raise view.fail(f"parts of {sizes} of {extent} positions")
    return sizes


def lower_slice(view: OperatorView) -> Step:
    """SLICE: begins and sizes, -1 = the rest."""
    view.arity(3, 3)
    data = _source(view)
    _computed(view, data)
    shape = data.shape
    begins, sizes = view.integers(1), view.integers(2)
    if len(begins) != len(shape) or len(sizes) != len(shape):
        raise view.fail(f"begins {list(begins)} and sizes {list(sizes)} of {list(shape)}")
    extents = tuple(
        extent - begin if size == -1 else size
        for extent, begin, size in zip(shape, begins, sizes, strict=True)
    )
    for extent, begin, size in zip(shape, begins, extents, strict=True):
        if begin < 0 or size < 1 or begin + size > extent:
            raise view.fail(f"begins {list(begins)} and sizes {list(sizes)} of {list(shape)}")
    view.check_output(extents)
    offset = sum(b * s for b, s in zip(begins, strides(shape), strict=True))
    return _move(view, Box(extents, strides(shape), strides(extents), offset))


def lower_strided_slice(view: OperatorView) -> Step:
    """STRIDED_SLICE without new axes and ellipsis, as TensorFlow Lite Micro has it."""
    options = view.operator.options
    assert isinstance(options, StridedSliceOptions)
    view.arity(4, 4)
    data = _source(view)
    _computed(view, data)
    if options.ellipsis_mask or options.new_axis_mask or options.offset:
        raise UnsupportedOp(f"{view.label}: an ellipsis, a new axis or offsets")
    rank = len(data.shape)
    values = [view.integers(slot) for slot in (1, 2, 3)]
    if any(len(value) != rank for value in values):
        raise UnsupportedOp(f"{view.label}: fewer indices than the {rank} dimensions")
    extents, in_strides, offset, kept = [], [], 0, []
    for axis, (begin, end, stride) in enumerate(zip(*values, strict=True)):
        if stride == 0:
            raise view.fail("a stride of 0")
        first, count = _range(data.shape[axis], begin, end, stride, axis, options)
        if count < 1 or not 0 <= first < data.shape[axis]:
            raise view.fail(f"dimension {axis}: no elements from {begin} to {end}")
        extents.append(count)
        in_strides.append(stride * strides(data.shape)[axis])
        offset += first * strides(data.shape)[axis]
        if not options.shrink_axis_mask >> axis & 1:
            kept.append(count)
    view.check_output(tuple(kept))
    return _move(view, Box(tuple(extents), tuple(in_strides), strides(extents), offset))


def _range(
    size: int, begin: int, end: int, stride: int, axis: int, options: StridedSliceOptions
) -> tuple[int, int]:
    """First position and number of positions along one dimension, as Python slices count."""

    def chosen(mask: int) -> bool:
        return bool(mask >> axis & 1)

    positions = range(size)[
        slice(
            None if chosen(options.begin_mask) else begin,
            None if chosen(options.end_mask) else end,
            stride,
        )
    ]
    if chosen(options.shrink_axis_mask):
        return (begin + size if begin < 0 else begin), 1
    return (positions[0] if positions else 0), len(positions)


# ---------------------------------------------------------------- padding and turning


def lower_pad(view: OperatorView) -> tuple[Step, ...]:
    """PAD and PADV2: the whole output is filled, then the data copied into it."""
    view.arity(2, 3)
    data = _source(view)
    _computed(view, data)
    shape = data.shape
    paddings = view.integers(1)
    if len(paddings) != 2 * len(shape) or any(padding < 0 for padding in paddings):
        raise view.fail(f"paddings {list(paddings)} of {list(shape)}")
    before = paddings[::2]
    padded = tuple(
        extent + sum(paddings[2 * axis : 2 * axis + 2]) for axis, extent in enumerate(shape)
    )
    view.check_output(padded)
    offset = sum(b * s for b, s in zip(before, strides(padded), strict=True))
    copy = _move(view, Box(shape, strides(shape), strides(padded), 0, offset))
    if padded == shape:
        return (copy,)
    return view.step(image.Opcode.FILL, (), image.Fill(_pad_value(view))), copy


def _pad_value(view: OperatorView) -> int:
    """Bits of the element around the data: zero, or the third input's."""
    output = view.output
    tensor = view.tensors[2] if len(view.tensors) == 3 else None
    value = np.array(output.zero_point if output.scales else 0, output.dtype)
    if tensor is not None:
        if tensor.data is None or tensor.elements != 1 or tensor.dtype != output.dtype:
            raise UnsupportedOp(f"{view.label}: a value '{tensor.name}' that is no constant")
        view.same_quantization(tensor)
        value = np.asarray(tensor.data).reshape(())
    return element_bits(value)


def element_bits(value: NDArray[Any]) -> int:
    """The bits of one element, for operator ``fill``."""
    return int.from_bytes(value.astype(value.dtype.newbyteorder("<")).tobytes(), "little")


def lower_transpose(view: OperatorView) -> Step:
    """TRANSPOSE."""
    view.arity(2, 2)
    data = _source(view)
    _computed(view, data)
    shape = data.shape
    order = view.integers(1)
    if sorted(order) != list(range(len(shape))):
        raise view.fail(f"permutation {list(order)} of {len(shape)} dimensions")
    turned = tuple(shape[axis] for axis in order)
    view.check_output(turned)
    in_strides = tuple(strides(shape)[axis] for axis in order)
    return _move(view, Box(turned, in_strides, strides(turned)))


def lower_resize(view: OperatorView) -> Step:
    """RESIZE_NEAREST_NEIGHBOR: the packer says which rows and columns are taken."""
    options = view.operator.options
    assert isinstance(options, ResizeOptions)
    view.arity(2, 2)
    data = _source(view)
    _computed(view, data)
    height, width, depth = view.image_shape(data)
    sizes = view.integers(1)
    if len(sizes) != 2 or not all(1 <= size <= MAX_RESIZED for size in sizes):
        raise view.fail(f"a size of {list(sizes)}")
    if max(height, width) > MAX_RESIZED:
        raise UnsupportedOp(f"{view.label}: {height} by {width} pixels")
    view.check_output((1, *sizes, depth))
    tables = tuple(
        nearest(size, out, options) for size, out in zip((height, width), sizes, strict=True)
    )
    return view.step(image.Opcode.RESIZE_NEAREST, view.operator.inputs[:1], tables=tables)


def nearest(size: int, out: int, options: ResizeOptions) -> NDArray[np.int16]:
    """Input position of every output position, int16; the arithmetic is float32's."""
    f32 = np.float32
    corners = options.align_corners and out > 1
    scale = f32(size - 1) / f32(out - 1) if corners else f32(size) / f32(out)
    at = np.arange(out).astype(f32) + f32(0.5 if options.half_pixel_centers else 0.0)
    real = at * scale
    whole: NDArray[np.float32] = np.floor(real)
    if options.align_corners:
        whole = whole + (real - whole >= f32(0.5)).astype(f32)
    positions: NDArray[np.int16] = np.clip(whole.astype(np.int64), 0, size - 1).astype(np.int16)
    return positions
