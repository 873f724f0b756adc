"""Variables of a stateful model: what VAR_HANDLE, CALL_ONCE and friends say, made plain.

In the file a variable is a name: VAR_HANDLE gives a handle for it, READ_VARIABLE and
ASSIGN_VARIABLE take handles, and a subgraph that CALL_ONCE runs assigns the first value.  In a
:class:`~hilbench.models.graph.Graph` the handle's tensor is the variable itself, with its shape,
type and first value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.graph import CallOnceOptions, Operator, Tensor, VariableOptions

Parts = tuple[tuple[Tensor, ...], tuple[Operator, ...]]
Name = tuple[str, str]


def resolve(parts: Parts, subgraph: Callable[[int], Parts]) -> Parts:
    """Tensors and operators of the main subgraph with every handle a variable.

    Parameters
    ----------
    parts : tuple
        Tensors and operators as read.
    subgraph : callable
        Reads those of another subgraph.

    Raises
    ------
    UnsupportedOp
        A variable that is not assigned a constant before it is used.
    ModelError
        Handles, shapes or types that contradict each other.
    """
    tensors, operators = parts
    handles = _handles(tensors, operators)
    if not handles and not any(op.opcode == "CALL_ONCE" for op in operators):
        return parts
    initial: dict[Name, Tensor] = {}
    for position, operator in enumerate(operators):
        if isinstance(operator.options, CallOnceOptions):
            initial |= _assigned(position, *subgraph(operator.options.subgraph))
    first: dict[Name, int] = {}
    for index, name in handles.items():
        first.setdefault(name, index)
    renamed = {index: first[name] for index, name in handles.items()}
    renamed_operators = tuple(
        replace(
            op,
            inputs=tuple(renamed.get(i, i) for i in op.inputs),
            outputs=tuple(renamed.get(i, i) for i in op.outputs),
        )
        for op in operators
    )
    variables = list(tensors)
    for name, index in first.items():
        if name not in initial:
            raise UnsupportedOp(f"variable '{name[1]}' is not given a constant first value")
        value = initial[name]
        variables[index] = replace(
            value, name=name[1], data=None, is_variable=True, initial=value.data
        )
    return tuple(variables), renamed_operators


def _handles(tensors: tuple[Tensor, ...], operators: tuple[Operator, ...]) -> dict[int, Name]:
    """Tensors that are handles -> the variable's container and name."""
    handles: dict[int, Name] = {}
    for position, operator in enumerate(operators):
        if not isinstance(operator.options, VariableOptions):
            continue
        for index in operator.outputs:
            if not 0 <= index < len(tensors) or index in handles:
                raise ModelError(f"operator {position} (VAR_HANDLE) has an output twice, or none")
            if tensors[index].dtype != "resource" or tensors[index].data is not None:
                raise ModelError(
                    f"operator {position} (VAR_HANDLE): '{tensors[index].name}' is no handle"
                )
            handles[index] = (operator.options.container, operator.options.name)
    return handles


def _assigned(
    position: int, tensors: tuple[Tensor, ...], operators: tuple[Operator, ...]
) -> dict[Name, Tensor]:
    """Constants that the subgraph of CALL_ONCE assigns to variables."""
    label = f"operator {position} (CALL_ONCE)"
    handles = _handles(tensors, operators)
    values: dict[Name, Tensor] = {}
    for number, operator in enumerate(operators):
        if operator.opcode == "VAR_HANDLE":
            continue
        if operator.opcode != "ASSIGN_VARIABLE":
            raise UnsupportedOp(f"{label}: its operator {number} is {operator.opcode}")
        if len(operator.inputs) != 2 or operator.inputs[0] not in handles:
            raise ModelError(f"{label}: its operator {number} assigns to no variable")
        value = operator.inputs[1]
        if not 0 <= value < len(tensors) or tensors[value].data is None:
            raise UnsupportedOp(f"{label}: its operator {number} assigns what is no constant")
        values[handles[operator.inputs[0]]] = tensors[value]
    return values
