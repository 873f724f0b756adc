"""What a workload is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import VectorError
from hilbench.models import Graph, Tensor
from hilbench.workloads.vectors import Vectors


@dataclass(frozen=True)
class Workload:
    """A task with its data.

    Attributes
    ----------
    name, task, metric : str
    classes : tuple of str
        Class names, in the order of the model's outputs.
    target : float or None
        Quality target of the metric, 0 to 1.
    card : str
        What the data are: origin, licence, split.
    schemes : tuple of str
        Schemes of the models that ship with it, the default first.
    vectors : callable
        ``vectors(graph) -> Vectors``: the held-out data, encoded for a model.
    model_path : callable
        ``model_path(scheme) -> Path`` of a shipped model.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    metric: str
    target: float | None
    card: str
    schemes: tuple[str, ...]
    vectors: Callable[[Graph], Vectors]
    model_path: Callable[[str], Path]

    @property
    def default_model(self) -> Path:
        """The shipped model that answers unless another is asked for."""
        return self.model_path(self.schemes[0])


def single_input(graph: Graph, name: str) -> Tensor:
    """The only input of a model.

    Raises
    ------
    VectorError
        The model has several.
    """
    if len(graph.inputs) != 1:
        raise VectorError(f"workload {name} has one input, the model {len(graph.inputs)}")
    return graph.inputs[0]
