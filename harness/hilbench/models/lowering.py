"""From a graph to what the engine executes: checked operators with integer parameters.

The packer writes these records, and the reference interpreter computes with them, so that an error
here shows in every comparison with an oracle.  Everything that the engine relies on is checked:
order of execution, shapes, types, quantization.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import lower_elementwise as elementwise
from hilbench.models import lower_movement as movement
from hilbench.models import lower_state as state
from hilbench.models.checks import check_constants, check_data_type, check_order
from hilbench.models.graph import Graph
from hilbench.models.lower_mean import lower_mean
from hilbench.models.lower_recurrent import lower_lstm, lower_svdf
from hilbench.models.lower_state import initial_steps
from hilbench.models.lower_unweighted import lower_pool, lower_softmax
from hilbench.models.lower_weighted import (
    lower_conv,
    lower_depthwise,
    lower_fully_connected,
    lower_transpose_conv,
)
from hilbench.models.operator_view import OperatorView, Step

__all__ = ["OPERATORS", "Lowering", "Step", "layers", "lower"]


@dataclass(frozen=True)
class Lowering:
    """How an operator is lowered, and the types of its output for which there are kernels."""

    lower: Callable[[OperatorView], Step | tuple[Step, ...]]
    dtypes: tuple[str, ...]


def lower(graph: Graph) -> tuple[Step, ...]:
    """Check the whole graph and lower its operators.

    One operator may become several steps, which carry its index.

    Raises
    ------
    UnsupportedOp
        An operator, type, shape or option that the engine lacks.
    ModelError
        The model contradicts itself.
    """
    check_order(graph)
    check_constants(graph)
    steps: list[Step] = list(initial_steps(graph))
    for index, operator in enumerate(graph.operators):
        view = OperatorView(graph, index, operator)
        try:
            # A quotient that overflows becomes a multiplier that is refused.
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                lowered = _lower(view)
        except ValueError as error:
            raise ModelError(f"{view.label}: {error}") from error
        steps += (lowered,) if isinstance(lowered, Step) else lowered
    if len({tensor.dtype for tensor in graph.inputs}) != 1:
        raise UnsupportedOp("inputs of different types")
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.dtype != "uint8":  # what QUANTIZE takes and makes
            check_data_type("the model's input or output", tensor)
    return tuple(steps)


def _lower(view: OperatorView) -> Step | tuple[Step, ...]:
    known = OPERATORS.get(view.operator.opcode)
    if known is None:
        raise UnsupportedOp(f"{view.label}: the engine lacks it")
    if view.outputs and view.operator.opcode != "VAR_HANDLE":
        view.supports(*known.dtypes)
    return known.lower(view)


def layers(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The step that ends each layer: of every operator that does something, its last."""
    run = [step for step in steps if not step.is_init]
    following = [*run[1:], None]
    return tuple(
        step
        for step, after in zip(run, following, strict=True)
        if after is None or after.index != step.index
    )


_ALL = ("int8", "int16", "float32")
_NOT_INT16 = ("int8", "float32")
_function = Lowering(elementwise.lower_function, _ALL)
_sum = Lowering(elementwise.lower_sum, _ALL)
_pool = Lowering(lower_pool, _ALL)

#: TensorFlow Lite's name -> how it is lowered.
OPERATORS = {
    "ADD": _sum,
    "ASSIGN_VARIABLE": Lowering(state.lower_assign, _ALL),
    "AVERAGE_POOL_2D": _pool,
    "CALL_ONCE": Lowering(state.lower_nothing, ()),
    "CONCATENATION": Lowering(movement.lower_concatenation, _ALL),
    "CONV_2D": Lowering(lower_conv, _ALL),
    "DEPTHWISE_CONV_2D": Lowering(lower_depthwise, _ALL),
    "DEQUANTIZE": Lowering(elementwise.lower_dequantize, ("float32",)),
    "EXPAND_DIMS": Lowering(movement.lower_expand_dims, _ALL),
    "FULLY_CONNECTED": Lowering(lower_fully_connected, _ALL),
    "HARD_SWISH": Lowering(elementwise.lower_function, _NOT_INT16),
    "LEAKY_RELU": _function,
    "LOGISTIC": _function,
    "MAX_POOL_2D": _pool,
    "MEAN": Lowering(lower_mean, _ALL),
    "MUL": Lowering(elementwise.lower_mul, _ALL),
    "PAD": Lowering(movement.lower_pad, _ALL),
    "PADV2": Lowering(movement.lower_pad, _ALL),
    "QUANTIZE": Lowering(elementwise.lower_quantize, ("int8", "int16", "uint8")),
    "READ_VARIABLE": Lowering(state.lower_read, _ALL),
    "RELU": _function,
    "RELU6": _function,
    "RELU_N1_TO_1": Lowering(elementwise.lower_function, _NOT_INT16),
    "RESHAPE": Lowering(movement.lower_reshape, _ALL),
    "RESIZE_NEAREST_NEIGHBOR": Lowering(movement.lower_resize, _ALL),
    "SLICE": Lowering(movement.lower_slice, _ALL),
    "SOFTMAX": Lowering(lower_softmax, _ALL),
    "SPLIT": Lowering(movement.lower_split, _ALL),
    "SPLIT_V": Lowering(movement.lower_split, _ALL),
    "SQUEEZE": Lowering(movement.lower_squeeze, _ALL),
    "STRIDED_SLICE": Lowering(movement.lower_strided_slice, _ALL),
    "SUB": _sum,
    "SVDF": Lowering(lower_svdf, _NOT_INT16),
    "TANH": _function,
    "TRANSPOSE": Lowering(movement.lower_transpose, _ALL),
    "TRANSPOSE_CONV": Lowering(lower_transpose_conv, _ALL),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Lowering(lower_lstm, _ALL),
    "VAR_HANDLE": Lowering(state.lower_nothing, ()),
}
