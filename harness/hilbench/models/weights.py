"""Checks and parameters of weights and bias: which scheme an operator is computed in.

Weights are quantized symmetrically (TensorFlow Lite's quantization specification): of int8 or int4
beside integer data; of float32, or of any smaller type beside float data, where a folded DEQUANTIZE
(``storage_only``) asks for float arithmetic and its absence for dynamic-range arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import UnsupportedOp
from hilbench.models.checks import check_finite, check_quantization
from hilbench.models.graph import Tensor
from hilbench.models.operator_view import Float32, Int32, OperatorView
from hilbench.quantization import quantize_multipliers
from hilbench.schema import image

#: Bias scale may differ from input scale x weight scale by this share of the output's scale,
#: as TensorFlow Lite's GetQuantizedConvolutionMultipler allows.
BIAS_SCALE_TOLERANCE = 0.02
#: Limits of the engine: products in one sum; left shift of a requantization of 32 and 64 bits.
MAX_PRODUCTS = 65536
MAX_LEFT_SHIFT = 30
MAX_LEFT_SHIFT_64 = 7
#: Accumulators of the 64-bit requantization stay below this magnitude.
MAX_SUM_64 = 1 << 47
#: Multiply-accumulates of one operator: far beyond what a microcontroller does.
MAX_MACS = 1 << 32

#: TensorFlow Lite knows no other bias than int64 of int16 data here.
_WIDE_BIAS_ONLY = ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_BESIDE_INTEGERS = ("int8", "int4")
_BESIDE_FLOATS = ("float32", "float16", "float8", "int8", "int4")


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights and bias of an operator, checked.

    Attributes
    ----------
    tensor : Tensor
    bias : int
        Index in the graph, -1 = none.
    multiplier, shift, scales, flags
        As in :class:`~hilbench.models.operator_view.Step`.
    """

    tensor: Tensor
    bias: int
    multiplier: Int32 | None = None
    shift: Int32 | None = None
    scales: Float32 | None = None
    flags: int = 0


def weights_tensor(view: OperatorView, rank: int, channel_dimension: int) -> Tensor:
    """The constant weights, checked but for their shape."""
    tensor = view.present(1)
    is_float = view.output.dtype == "float32"
    if tensor.dtype not in (_BESIDE_FLOATS if is_float else _BESIDE_INTEGERS):
        raise UnsupportedOp(
            f"{view.label}: weights '{tensor.name}' are {tensor.dtype} beside "
            f"{view.output.dtype} data"
        )
    if tensor.data is None:
        raise UnsupportedOp(f"{view.label}: weights '{tensor.name}' are not constant")
    if len(tensor.shape) != rank:
        raise view.fail(f"weights '{tensor.name}' have {len(tensor.shape)} dimensions")
    if tensor.dtype in ("float32", "float16"):
        check_finite(view.label, tensor)
        return tensor
    check_quantization(view.label, tensor)
    if any(tensor.zero_points):
        raise view.fail(f"weights '{tensor.name}' have a zero point that is not 0")
    if tensor.block_size:
        _check_blocks(view, tensor)
    elif len(tensor.scales) > 1 and (
        tensor.quantized_dimension != channel_dimension
        or len(tensor.scales) != tensor.shape[channel_dimension]
    ):
        raise view.fail(
            f"weights '{tensor.name}' have {len(tensor.scales)} scales along dimension "
            f"{tensor.quantized_dimension}"
        )
    return tensor


def weighted(view: OperatorView, tensor: Tensor, channels: int, asymmetric: bool) -> Weights:
    """Bias and parameters that go with checked weights.

    Parameters
    ----------
    view : OperatorView
    tensor : Tensor
        From :func:`weights_tensor`.
    channels : int
        Output channels.
    asymmetric : bool
        Dynamic-range arithmetic gives each row of the data a zero point.
    """
    products = tensor.elements // channels
    if products > MAX_PRODUCTS:
        raise UnsupportedOp(f"{view.label}: sums of {products} products; {MAX_PRODUCTS} fit")
    if products * view.output.elements > MAX_MACS:
        raise UnsupportedOp(f"{view.label}: {products * view.output.elements} multiply-accumulates")
    data = view.present(0)
    if data.dtype != "float32":
        scales = data.scale * np.broadcast_to(np.array(tensor.scales, np.float64), (channels,))
        bias = _bias(view, channels, data.scale * np.array(tensor.scales))
        wide = data.dtype == "int16" and (bias == -1 or view.present(2).dtype == "int64")
        if data.dtype == "int16" and not wide:
            _check_narrow_sums(view, tensor, channels)
        multiplier, shift = quantize_multipliers(scales / view.output.scale)
        if shift.max() > (MAX_LEFT_SHIFT_64 if wide else MAX_LEFT_SHIFT):
            raise view.fail("an output scale far too small for its input and weights")
        return Weights(tensor, bias, multiplier, shift)
    bias = _bias(view, channels, None)
    if tensor.dtype in ("float32", "float16"):
        return Weights(tensor, bias)
    blocks = len(tensor.scales) // channels if tensor.block_size else 1
    table = np.broadcast_to(
        np.array(tensor.scales, np.float32).reshape(-1, blocks), (channels, blocks)
    )
    if tensor.storage_only or tensor.dtype == "float8":
        return Weights(tensor, bias, scales=np.ascontiguousarray(table))
    # In blocks only XNNPACK computes it, and always with a zero point.
    shifted = asymmetric or tensor.block_size > 0
    flag = image.OpFlag.DYNAMIC_ASYMMETRIC if shifted else image.OpFlag.DYNAMIC_SYMMETRIC
    return Weights(tensor, bias, scales=np.ascontiguousarray(table), flags=flag)


def _check_blocks(view: OperatorView, tensor: Tensor) -> None:
    channels, depth = tensor.shape[0], tensor.elements // tensor.shape[0]
    if view.output.dtype != "float32" or view.operator.opcode != "FULLY_CONNECTED":
        raise UnsupportedOp(f"{view.label}: weights '{tensor.name}' are quantized in blocks")
    if depth % tensor.block_size or len(tensor.scales) != channels * (depth // tensor.block_size):
        raise view.fail(
            f"weights '{tensor.name}' have {len(tensor.scales)} scales for blocks of "
            f"{tensor.block_size} in rows of {depth}"
        )


def _bias(view: OperatorView, channels: int, sum_scales: NDArray[np.float64] | None) -> int:
    if len(view.tensors) < 3 or view.tensors[2] is None:
        return -1
    tensor = view.tensors[2]
    wide = ("int64",) if view.operator.opcode in _WIDE_BIAS_ONLY else ("int32", "int64")
    types = {"float32": ("float32",), "int8": ("int32",), "int16": wide}[view.output.dtype]
    if tensor.dtype not in types:
        raise UnsupportedOp(
            f"{view.label}: bias '{tensor.name}' is {tensor.dtype}, expected {' or '.join(types)}"
        )
    if tensor.data is None:
        raise UnsupportedOp(f"{view.label}: bias '{tensor.name}' is not constant")
    if tensor.elements != channels or tensor.shape[-1:] != (channels,):
        raise view.fail(
            f"bias '{tensor.name}' has shape {list(tensor.shape)}, expected [{channels}]"
        )
    if tensor.dtype == "float32":
        check_finite(view.label, tensor)
    elif sum_scales is not None and tensor.scales:
        _check_bias_scale(view, tensor, sum_scales)
    if (
        tensor.dtype == "int64"
        and int(np.abs(tensor.data.astype(np.float64)).max()) >= MAX_SUM_64 // 2
    ):
        raise UnsupportedOp(f"{view.label}: bias '{tensor.name}' exceeds 46 bits")
    return view.operator.inputs[2]


def _check_bias_scale(view: OperatorView, tensor: Tensor, sums: NDArray[np.float64]) -> None:
    if len(tensor.scales) not in (1, sums.size) or any(tensor.zero_points):
        raise view.fail(f"bias '{tensor.name}' has the wrong quantization")
    difference = np.abs(np.array(tensor.scales) - sums)
    if not np.all(difference <= BIAS_SCALE_TOLERANCE * view.output.scale):
        raise view.fail(f"bias '{tensor.name}' has a scale other than input scale x weight scale")


def _check_narrow_sums(view: OperatorView, tensor: Tensor, channels: int) -> None:
    """int16 data with a 32-bit bias is summed in 32 bits: no sum may wrap."""
    bias = view.present(2).data
    assert tensor.data is not None
    assert bias is not None
    rows = np.abs(tensor.data.astype(np.int64)).reshape(channels, -1)
    largest = 32768 * rows.sum(axis=1) + np.abs(bias.astype(np.int64)).ravel()
    if largest.max() >= 1 << 31:
        raise UnsupportedOp(f"{view.label}: sums of int16 data that may exceed 32 bits")
