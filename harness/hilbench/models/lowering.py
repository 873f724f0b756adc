"""From a graph to what the engine executes: checked operators with integer parameters.

The packer writes these records, and the reference interpreter computes with them, so that an error
here shows in every comparison with an oracle.  Everything that the engine relies on is checked:
order of execution, shapes, types, quantization.
"""

from __future__ import annotations

from collections.abc import Callable

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import lower_elementwise as elementwise
from hilbench.models import lower_movement as movement
from hilbench.models.checks import check_constants, check_data_type, check_order
from hilbench.models.graph import Graph
from hilbench.models.lower_mean import lower_mean
from hilbench.models.lower_unweighted import lower_pool, lower_softmax
from hilbench.models.lower_weighted import lower_conv, lower_depthwise, lower_fully_connected
from hilbench.models.operator_view import OperatorView, Step

__all__ = ["Step", "layers", "lower"]


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
    steps: list[Step] = []
    for index, operator in enumerate(graph.operators):
        view = OperatorView(graph, index, operator)
        try:
            if operator.opcode not in _LOWER:
                raise UnsupportedOp(f"{view.label}: the engine lacks it")
            lowered = _LOWER[operator.opcode](view)
        except ValueError as error:
            raise ModelError(f"{view.label}: {error}") from error
        steps += (lowered,) if isinstance(lowered, Step) else lowered
    if len({tensor.dtype for tensor in graph.inputs}) != 1:
        raise UnsupportedOp("inputs of different types")
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.dtype != "uint8":  # what QUANTIZE takes and makes
            check_data_type("the model's input or output", tensor)
    return tuple(steps)


def layers(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The step that ends each layer: of every operator that does something, its last."""
    run = [step for step in steps if not step.is_init]
    following = [*run[1:], None]
    return tuple(
        step
        for step, after in zip(run, following, strict=True)
        if after is None or after.index != step.index
    )


_LOWER: dict[str, Callable[[OperatorView], Step | tuple[Step, ...]]] = {
    "ADD": elementwise.lower_sum,
    "AVERAGE_POOL_2D": lower_pool,
    "CONCATENATION": movement.lower_concatenation,
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise,
    "DEQUANTIZE": elementwise.lower_dequantize,
    "EXPAND_DIMS": movement.lower_expand_dims,
    "FULLY_CONNECTED": lower_fully_connected,
    "HARD_SWISH": elementwise.lower_function,
    "LEAKY_RELU": elementwise.lower_function,
    "LOGISTIC": elementwise.lower_function,
    "MAX_POOL_2D": lower_pool,
    "MEAN": lower_mean,
    "MUL": elementwise.lower_mul,
    "PAD": movement.lower_pad,
    "PADV2": movement.lower_pad,
    "QUANTIZE": elementwise.lower_quantize,
    "RELU": elementwise.lower_function,
    "RELU6": elementwise.lower_function,
    "RELU_N1_TO_1": elementwise.lower_function,
    "RESHAPE": movement.lower_reshape,
    "RESIZE_NEAREST_NEIGHBOR": movement.lower_resize,
    "SLICE": movement.lower_slice,
    "SOFTMAX": lower_softmax,
    "SPLIT": movement.lower_split,
    "SPLIT_V": movement.lower_split,
    "SQUEEZE": movement.lower_squeeze,
    "STRIDED_SLICE": movement.lower_strided_slice,
    "SUB": elementwise.lower_sum,
    "TANH": elementwise.lower_function,
    "TRANSPOSE": movement.lower_transpose,
}
