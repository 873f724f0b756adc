"""Lowering of MEAN."""

from __future__ import annotations

import math

from hilbench.errors import UnsupportedOp
from hilbench.models.graph import MeanOptions, Tensor
from hilbench.models.operator_view import OperatorView, Step
from hilbench.models.weights import MAX_LEFT_SHIFT
from hilbench.quantization import quantize_multiplier
from hilbench.schema import image

#: So that a sum of int8 or int16 fits 32 bits.
MAX_MEAN_COUNT = 1 << 15


def lower_mean(view: OperatorView) -> Step:
    """MEAN over any dimensions."""
    options = view.operator.options
    assert isinstance(options, MeanOptions)
    view.arity(2, 2)
    data = view.data()
    if data.data is not None:
        raise UnsupportedOp(f"{view.label}: a constant input")
    shape = data.shape
    axes = {view.axis(axis, len(shape)) for axis in view.integers(1)}
    kept = tuple(
        1 if axis in axes else extent
        for axis, extent in enumerate(shape)
        if options.keep_dims or axis not in axes
    )
    view.check_output(kept)
    count = math.prod(shape[axis] for axis in axes)
    if count > MAX_MEAN_COUNT:
        raise UnsupportedOp(f"{view.label}: the mean of {count} elements; {MAX_MEAN_COUNT} fit")
    multiplier, shift = (0, 0) if data.dtype == "float32" else _multiplier(view, data, count)
    first = image.MAX_RANK - len(shape)
    return view.step(
        image.Opcode.MEAN,
        view.operator.inputs[:1],
        image.Mean(
            axes=sum(1 << (first + axis) for axis in axes),
            input_offset=-data.zero_point,
            output_offset=view.output.zero_point,
            multiplier=multiplier,
            shift=shift,
        ),
    )


def _multiplier(view: OperatorView, data: Tensor, count: int) -> tuple[int, int]:
    """Rescale and division by ``count`` in one, as TensorFlow Lite's QuantizedMeanOrSum."""
    multiplier, shift = quantize_multiplier(data.scale / view.output.scale)
    left = min(count.bit_length() - 1, 32, 31 + shift)
    shift -= left
    if not -31 <= shift <= MAX_LEFT_SHIFT or left < 0:
        raise view.fail("an output scale far from its input's")
    return (multiplier << left) // count, shift
