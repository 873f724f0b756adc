"""What a workload is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import UsageError, VectorError
from hilbench.models import Graph, Tensor
from hilbench.workloads.encoding import encode_real
from hilbench.workloads.vectors import Vectors

#: Parts of a data set: to fit, to choose with, and to report on, once.
Part = Literal["train", "validation", "held-out"]
#: Scheme -> path of a shipped model.
ModelPath = Callable[[str], Path]


#: Tasks and their metrics.
METRICS = (("classification", "top1"), ("anomaly", "auc"))


def no_model(scheme: str) -> Path:
    """For workloads that ship without a model."""
    raise UsageError("this workload ships without a model", hint="give yours: --model FILE")


def nothing_missing() -> str | None:
    """For data that ship with the package."""
    return None


@dataclass(frozen=True, eq=False)
class Examples:
    """One part of a data set, as a float model takes it.

    Attributes
    ----------
    values : ndarray of float32, shape (n, ...)
        Preprocessed real values.
    labels : ndarray of int64, shape (n,)
    groups : ndarray of int64, shape (n,), or None
        Who or what each example comes from (person, voice): no group is in two parts.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Workload:
    """A task with its data.

    Attributes
    ----------
    name, task, metric : str
        ``task`` is ``classification`` or ``anomaly``; ``metric`` is ``top1`` or ``auc``.
    classes : tuple of str
        Class names, in the order of the model's outputs.
    target : float or None
        Quality target of the metric, 0 to 1.
    card : str
        What the data are: origin, licence, split.  Its last line names the source.
    preprocessing : str
        From the data's own units to ``Examples.values``, in words.
    view : str
        How a vector is shown: ``image``, ``waveform`` or ``row``.
    schemes : tuple of str
        Schemes of the models that ship with it, the default first.
    examples : callable
        ``examples(part) -> Examples``.
    model_path : callable
        ``model_path(scheme) -> Path`` of a shipped model.
    count : int or None
        Vectors of the held-out part, known without loading them.
    synthetic : bool
        The data were generated, not recorded: said wherever a result of it is shown.
    missing : callable
        What has to be installed before ``examples`` works, as a command; None = nothing.
    with_data : callable, or None
        ``with_data(inputs, labels) -> Workload`` with the user's own copy of the data; None where
        the data come with the workload.
    files : bool
        ``groups`` are files, of which examples are windows: a file has one score, their mean.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    metric: str
    target: float | None
    card: str
    preprocessing: str
    examples: Callable[[Part], Examples]
    view: str = "row"
    schemes: tuple[str, ...] = ()
    model_path: ModelPath = no_model
    count: int | None = None
    synthetic: bool = False
    missing: Callable[[], str | None] = nothing_missing
    with_data: Callable[[Path, Path], Workload] | None = None
    files: bool = False

    def __post_init__(self) -> None:
        if (self.task, self.metric) not in METRICS:
            raise TypeError(f"workload {self.name}: no metric {self.metric!r} of {self.task!r}")

    @property
    def default_model(self) -> Path:
        """The shipped model that answers unless another is asked for."""
        if not self.schemes:
            hint = self.missing() or "give yours: --model FILE"
            raise UsageError(f"{self.name} ships without a model", hint=hint)
        return self.model_path(self.schemes[0])

    def vectors(self, graph: Graph, part: Part = "held-out") -> Vectors:
        """A part, encoded for a model; what is measured on a device is the held-out one.

        Raises
        ------
        VectorError
            The model has several inputs, or one of another size.
        """
        tensor = single_input(graph, self.name)
        examples = self.examples(part)
        raw, encoding = encode_real(examples.values, tensor)
        return Vectors(
            name=self.name,
            vectors=raw,
            labels=examples.labels,
            encoding=f"{self.preprocessing}; {encoding}",
            task=self.task,
            metric=self.metric,
            classes=self.classes,
            target=self.target,
            source=self.card.splitlines()[-1],
            preprocessing=self.preprocessing,
            values=examples.values,
            synthetic=self.synthetic,
            view=self.view,
            files=examples.groups if self.files else None,
        )


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
