"""From a graph to what the engine executes: checked operators with integer parameters.

The packer writes these records, and the reference interpreter computes with them, so that an error
here shows in every comparison with an oracle.  Everything that the engine relies on is checked:
order of execution, shapes, types, quantization.
"""

from __future__ import annotations

from collections.abc import Callable

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.checks import check_constants, check_data_type, check_order
from hilbench.models.graph import Graph
from hilbench.models.lower_unweighted import lower_add, lower_pool, lower_reshape, lower_softmax
from hilbench.models.lower_weighted import lower_conv, lower_depthwise, lower_fully_connected
from hilbench.models.operator_view import OperatorView, Step

__all__ = ["Step", "lower"]


def lower(graph: Graph) -> tuple[Step, ...]:
    """Check the whole graph and lower its operators.

    Raises
    ------
    UnsupportedOp
        An operator, type, shape or option that the engine lacks.
    ModelError
        The model contradicts itself.
    """
    check_order(graph)
    check_constants(graph)
    steps = []
    for index, operator in enumerate(graph.operators):
        view = OperatorView(graph, index, operator)
        try:
            steps.append(_LOWER[operator.opcode](view))
        except ValueError as error:
            raise ModelError(f"{view.label}: {error}") from error
    if len({tensor.dtype for tensor in graph.inputs}) != 1:
        raise UnsupportedOp("inputs of different types")
    for tensor in (*graph.inputs, *graph.outputs):
        check_data_type("the model's input or output", tensor)
    return tuple(steps)


_LOWER: dict[str, Callable[[OperatorView], Step]] = {
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise,
    "FULLY_CONNECTED": lower_fully_connected,
    "AVERAGE_POOL_2D": lower_pool,
    "MAX_POOL_2D": lower_pool,
    "SOFTMAX": lower_softmax,
    "RESHAPE": lower_reshape,
    "ADD": lower_add,
}
