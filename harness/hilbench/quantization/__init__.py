"""Affine quantization as TensorFlow Lite Micro does it: exact integer arithmetic, vectorised.

Everything here is pure.  ``real = scale * (q - zero_point)``; a real multiplier becomes a Q31
significand and a shift (positive = left), and requantization rounds twice.  The behaviour follows
TensorFlow Lite's quantization specification and gemmlowp's fixed-point design notes; tests hold it
to the ``tflite-micro`` interpreter, byte for byte.
"""

from hilbench.quantization import interpolation, lookup
from hilbench.quantization.fixed_point import (
    multiply_by_quantized_multiplier,
    multiply_by_reduced_multiplier,
    rounding_right_shift,
    saturating_rounding_doubling_high_mul,
    wrap_int32,
)
from hilbench.quantization.float8 import MAX_FLOAT8, from_float8, to_float8
from hilbench.quantization.int4 import pack_int4, unpack_int4
from hilbench.quantization.parameters import (
    FLT_MAX,
    Activation,
    activation_range_float,
    activation_range_int,
    quantize_multiplier,
    quantize_multipliers,
    softmax_scaling,
)
from hilbench.quantization.softmax import softmax_int8

__all__ = [
    "FLT_MAX",
    "MAX_FLOAT8",
    "Activation",
    "activation_range_float",
    "activation_range_int",
    "from_float8",
    "interpolation",
    "lookup",
    "multiply_by_quantized_multiplier",
    "multiply_by_reduced_multiplier",
    "pack_int4",
    "quantize_multiplier",
    "quantize_multipliers",
    "rounding_right_shift",
    "saturating_rounding_doubling_high_mul",
    "softmax_int8",
    "softmax_scaling",
    "to_float8",
    "unpack_int4",
    "wrap_int32",
]
