"""Operators of the .tflite format that the engine knows: codes, and how their options are stored.

One table serves :mod:`hilbench.models.tflite`, which reads, and :mod:`hilbench.models.writer`.
Codes, union types and slots are those of TensorFlow Lite's schema (schema.fbs, version 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import graph as g
from hilbench.models.flatbuffer import Table
from hilbench.models.flatbuffer_builder import Node, TableNode, integers
from hilbench.models.graph import Options
from hilbench.quantization import Activation


@dataclass(frozen=True)
class Field:
    """One option: attribute, slot of the table, kind (a struct letter or a name), default."""

    attribute: str
    slot: int
    kind: str
    default: float = 0


@dataclass(frozen=True)
class OperatorFormat:
    """How an operator is stored.

    ``union`` is the type of its options in BuiltinOptions, 0 = it has none; ``versions`` are the
    lowest operator versions that allow float32 and int8 (int16 needs no other in practice).
    """

    name: str
    union: int
    options: type[Any] = g.NoOptions
    fields: tuple[Field, ...] = ()
    versions: tuple[int, int] = (1, 1)
    may_lack_options: bool = False


_WINDOW = (
    Field("same_padding", 0, "padding"),
    Field("stride_w", 1, "i"),
    Field("stride_h", 2, "i"),
)
_CONV = (
    *_WINDOW,
    Field("activation", 3, "activation"),
    Field("dilation_w", 4, "i", 1),
    Field("dilation_h", 5, "i", 1),
)
_DEPTHWISE = (
    *_WINDOW,
    Field("depth_multiplier", 3, "i"),
    Field("activation", 4, "activation"),
    Field("dilation_w", 5, "i", 1),
    Field("dilation_h", 6, "i", 1),
)
_POOL = (
    *_WINDOW,
    Field("filter_w", 3, "i"),
    Field("filter_h", 4, "i"),
    Field("activation", 5, "activation"),
)
_FULLY_CONNECTED = (
    Field("activation", 0, "activation"),
    Field("shuffled weights", 1, "zero"),
    Field("keep_num_dims", 2, "B"),
    Field("asymmetric_quantize_inputs", 3, "B"),
)
_ACTIVATION = (Field("activation", 0, "activation"),)
_STRIDED_SLICE = (
    Field("begin_mask", 0, "i"),
    Field("end_mask", 1, "i"),
    Field("ellipsis_mask", 2, "i"),
    Field("new_axis_mask", 3, "i"),
    Field("shrink_axis_mask", 4, "i"),
    Field("offset", 5, "B"),
)
_RESIZE = (Field("align_corners", 0, "B"), Field("half_pixel_centers", 1, "B"))
_LSTM = (
    Field("fused activation", 0, "tanh"),
    Field("cell_clip", 1, "f"),
    Field("projection_clip", 2, "f"),
    Field("time_major", 3, "B"),
    Field("diagonal recurrent tensors", 5, "zero"),
)

#: BuiltinOperator -> its format.
OPERATORS = {
    0: OperatorFormat("ADD", 11, g.AddOptions, _ACTIVATION, (1, 2)),
    1: OperatorFormat("AVERAGE_POOL_2D", 5, g.PoolOptions, _POOL, (1, 2)),
    2: OperatorFormat(
        "CONCATENATION",
        10,
        g.ConcatenationOptions,
        (Field("axis", 0, "i"), Field("activation", 1, "activation")),
        (1, 2),
    ),
    3: OperatorFormat("CONV_2D", 1, g.ConvOptions, _CONV, (1, 3)),
    4: OperatorFormat("DEPTHWISE_CONV_2D", 2, g.ConvOptions, _DEPTHWISE, (2, 3)),
    6: OperatorFormat("DEQUANTIZE", 38, versions=(1, 2)),
    9: OperatorFormat("FULLY_CONNECTED", 8, g.FullyConnectedOptions, _FULLY_CONNECTED, (1, 4)),
    14: OperatorFormat("LOGISTIC", 0, versions=(1, 2)),
    17: OperatorFormat("MAX_POOL_2D", 5, g.PoolOptions, _POOL, (1, 2)),
    18: OperatorFormat("MUL", 21, g.AddOptions, _ACTIVATION, (1, 2)),
    19: OperatorFormat("RELU", 0, versions=(1, 2)),
    20: OperatorFormat("RELU_N1_TO_1", 0, versions=(1, 1)),
    21: OperatorFormat("RELU6", 0, versions=(1, 2)),
    22: OperatorFormat(
        "RESHAPE",
        17,
        g.ReshapeOptions,
        (Field("new_shape", 0, "integers"),),
        may_lack_options=True,
    ),
    25: OperatorFormat("SOFTMAX", 9, g.SoftmaxOptions, (Field("beta", 0, "f"),), (1, 2)),
    27: OperatorFormat(
        "SVDF",
        6,
        g.SvdfOptions,
        (Field("rank", 0, "i"), Field("activation", 1, "activation")),
        (1, 3),
    ),
    28: OperatorFormat("TANH", 0, versions=(1, 2)),
    34: OperatorFormat("PAD", 22, versions=(1, 2)),
    39: OperatorFormat("TRANSPOSE", 26, versions=(1, 2)),
    40: OperatorFormat("MEAN", 27, g.MeanOptions, (Field("keep_dims", 0, "B"),), (1, 2)),
    41: OperatorFormat("SUB", 28, g.AddOptions, _ACTIVATION, (1, 2)),
    43: OperatorFormat(
        "SQUEEZE",
        30,
        g.SqueezeOptions,
        (Field("dimensions", 0, "integers"),),
        may_lack_options=True,
    ),
    44: OperatorFormat("UNIDIRECTIONAL_SEQUENCE_LSTM", 71, g.LstmOptions, _LSTM, (1, 3)),
    45: OperatorFormat("STRIDED_SLICE", 32, g.StridedSliceOptions, _STRIDED_SLICE, (1, 2)),
    49: OperatorFormat("SPLIT", 35, g.SplitOptions, (Field("count", 0, "i"),), (1, 2)),
    60: OperatorFormat("PADV2", 43, versions=(1, 2)),
    65: OperatorFormat("SLICE", 48, versions=(1, 2)),
    67: OperatorFormat(
        "TRANSPOSE_CONV",
        49,
        g.ConvOptions,
        (*_WINDOW, Field("activation", 3, "activation")),
        (1, 3),
    ),
    70: OperatorFormat("EXPAND_DIMS", 52),
    97: OperatorFormat("RESIZE_NEAREST_NEIGHBOR", 74, g.ResizeOptions, _RESIZE, (1, 2)),
    98: OperatorFormat("LEAKY_RELU", 75, g.LeakyReluOptions, (Field("alpha", 0, "f"),), (1, 2)),
    102: OperatorFormat("SPLIT_V", 79, g.SplitOptions, (Field("count", 0, "i"),), (1, 2)),
    114: OperatorFormat("QUANTIZE", 89),
    117: OperatorFormat("HARD_SWISH", 91),
    129: OperatorFormat("CALL_ONCE", 103, g.CallOnceOptions, (Field("subgraph", 0, "i"),)),
    142: OperatorFormat(
        "VAR_HANDLE",
        111,
        g.VariableOptions,
        (Field("container", 0, "text"), Field("name", 1, "text")),
    ),
    143: OperatorFormat("READ_VARIABLE", 112),
    144: OperatorFormat("ASSIGN_VARIABLE", 113),
}
CODES = {form.name: code for code, form in OPERATORS.items()}

#: Names of common operators that are refused, so that the message can say what they are.
OTHER_OPERATORS = {
    5: "DEPTH_TO_SPACE", 7: "EMBEDDING_LOOKUP", 8: "FLOOR", 11: "L2_NORMALIZATION",
    13: "LOCAL_RESPONSE_NORMALIZATION", 16: "LSTM", 23: "RESIZE_BILINEAR", 24: "RNN",
    32: "CUSTOM", 36: "GATHER", 37: "BATCH_TO_SPACE_ND", 38: "SPACE_TO_BATCH_ND", 42: "DIV",
    53: "CAST", 54: "PRELU", 55: "MAXIMUM", 56: "ARG_MAX", 57: "MINIMUM", 74: "SUM",
    77: "SHAPE", 82: "REDUCE_MAX", 83: "PACK", 88: "UNPACK", 99: "SQUARED_DIFFERENCE",
    126: "BATCH_MATMUL", 150: "GELU",
}  # fmt: skip


def read_options(form: OperatorFormat, table: Table | None, label: str) -> Options:
    """The options of an operator, ``label``; None = the file has none.

    Raises
    ------
    UnsupportedOp
        An option that the engine lacks.
    ModelError
        Options are missing.
    """
    if not form.fields:
        return form.options()  # type: ignore[no-any-return]
    if table is None:
        if not form.may_lack_options:
            raise ModelError(f"{label} has no options")
        return form.options()  # type: ignore[no-any-return]
    values = {
        field.attribute: _read(table, field, label)
        for field in form.fields
        if field.kind not in ("zero", "tanh") or _read(table, field, label)
    }
    return form.options(**values)  # type: ignore[no-any-return]


def _read(table: Table, field: Field, label: str) -> Any:
    if field.kind == "integers":
        return table.integers(field.slot)
    if field.kind == "text":
        return table.text(field.slot)
    if field.kind == "f":
        return table.number(field.slot, "f", field.default)
    if field.kind in ("i", "B"):
        value = table.integer(field.slot, field.kind, int(field.default))
        return bool(value) if field.kind == "B" else value
    code = table.integer(field.slot, "b")
    if field.kind == "padding":
        if code not in (0, 1):
            raise UnsupportedOp(f"{label} has padding {code}")
        return code == 0
    if field.kind == "zero" and code:
        raise UnsupportedOp(f"{label} has {field.attribute}")
    if field.kind == "tanh" and code != 4:
        raise UnsupportedOp(f"{label} has the {field.attribute} {code}; TANH (4) is supported")
    return None if field.kind in ("zero", "tanh") else _activation(code, label)


def _activation(code: int, label: str) -> Activation:
    try:
        return Activation(code)
    except ValueError:
        name = {4: "TANH", 5: "SIGN_BIT"}.get(code, str(code))
        raise UnsupportedOp(f"{label} has the fused activation {name}") from None


def write_options(form: OperatorFormat, options: Options) -> TableNode:
    """The table of an operator's options."""
    scalars: dict[int, tuple[str, float]] = {}
    children: dict[int, Node | None] = {}
    for field in form.fields:
        value: Any = getattr(options, field.attribute, 4 if field.kind == "tanh" else 0)
        if field.kind == "padding":
            scalars[field.slot] = ("b", int(not value))
        elif field.kind == "integers":
            children[field.slot] = integers(value) if value else None
        elif field.kind == "text":
            children[field.slot] = value
        else:
            kind = field.kind if len(field.kind) == 1 else "b"
            scalars[field.slot] = (kind, value)
    return TableNode(scalars=scalars, children=children)
