"""Lowering of what is kept from one inference to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.checks import check_data_type
from hilbench.models.graph import Graph, Tensor
from hilbench.models.lower_movement import element_bits
from hilbench.models.operator_view import OperatorView, Step
from hilbench.schema import image


def initial_steps(graph: Graph) -> tuple[Step, ...]:
    """What gives the variables their first values: a fill where one value will do, else a copy."""
    used = {i for operator in graph.operators for i in operator.inputs if i != -1}
    steps = []
    for index in sorted(used):
        tensor = graph.tensors[index]
        if not tensor.is_variable:
            continue
        check_data_type("the model's state", tensor)
        values = initial_values(tensor)
        if (values == values.flat[0]).all():
            params = image.Fill(element_bits(values.flat[0:1].reshape(())))
            steps.append(Step(-1, image.Opcode.FILL, (), index, params, is_init=True))
        else:
            step = Step(-1, image.Opcode.RESHAPE, (), index, tables=(values,), is_init=True)
            steps.append(step)
    return tuple(steps)


def initial_values(tensor: Tensor) -> NDArray[Any]:
    """A variable's first value, zero unless the model says another."""
    if tensor.initial is not None:
        return np.ascontiguousarray(tensor.initial).astype(tensor.dtype)
    return np.full(tensor.shape, tensor.zero_point if tensor.scales else 0, tensor.dtype)


def lower_nothing(view: OperatorView) -> tuple[Step, ...]:
    """VAR_HANDLE and CALL_ONCE: all is said by the variables' first values."""
    view.arity(0, 0)
    return ()


def lower_read(view: OperatorView) -> Step:
    """READ_VARIABLE: the same place where nobody can tell, else a copy."""
    view.arity(1, 1)
    _check_same(view, view.present(0), view.output)
    return view.step(image.Opcode.RESHAPE, view.operator.inputs)


def lower_assign(view: OperatorView) -> Step:
    """ASSIGN_VARIABLE."""
    view.arity(2, 2)
    value = view.present(1)
    _check_same(view, view.present(0), value)
    variable = view.operator.inputs[0]
    return view.step(image.Opcode.RESHAPE, view.operator.inputs[1:], output=variable)


def _check_same(view: OperatorView, variable: Tensor, value: Tensor) -> None:
    if not variable.is_variable or variable.dtype == "resource":
        raise view.fail(f"'{variable.name}' is no variable")
    if value.is_variable:
        raise UnsupportedOp(f"{view.label}: '{value.name}' is a variable")
    check_data_type(view.label, value)
    if (value.shape, value.dtype) != (variable.shape, variable.dtype):
        raise ModelError(
            f"{view.label}: variable '{variable.name}' is {variable.dtype}{list(variable.shape)}, "
            f"'{value.name}' is {value.dtype}{list(value.shape)}"
        )
