"""The stages of ``hilbench compress``: each a trained model, made from the one before.

Two lineages start from the teacher: ``small`` goes to a smaller network (distillation, channels
removed, weights pruned, quantized, Huffman-coded); ``same`` keeps the teacher's architecture
(weights pruned, quantized, Huffman-coded).  Only the training and the validation part come in
here: what is held out cannot be used for a choice.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hilbench.models import writer
from hilbench.models.graph import Graph
from hilbench.schemes import aware, export, pruning
from hilbench.schemes.designs import Design
from hilbench.schemes.network import Network, Params
from hilbench.schemes.objectives import Distillation, Objective, cross_entropy
from hilbench.schemes.training import Data, Fitted, Recipe, fit
from hilbench.stats.paired import paired_accuracy
from hilbench.store.files import write_atomically

#: A teacher is worse than the best when McNemar's p on the validation part is below this.
SIGNIFICANCE = 0.05
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """What decides the bytes, beside the data.

    Attributes
    ----------
    seed : int
    quantization : str
        ``qat`` or ``ptq``.
    weight_bits : int
        4 or 8.
    sparsity, same_sparsity : float
        Share of the weights that are pruned from the student, and from the teacher.
    temperature, soft_share : float
        Of distillation.
    teacher_epochs, student_epochs, thin_epochs, sparse_epochs, aware_epochs : int
        Training of the teachers, distillation, after channels were removed, after each of the
        rounds of pruning, quantization-aware.
    rounds : int
    """

    seed: int = 0
    quantization: str = "qat"
    weight_bits: int = 4
    sparsity: float = 0.4
    same_sparsity: float = 0.6
    temperature: float = 3.0
    soft_share: float = 0.7
    teacher_epochs: int = 60
    student_epochs: int = 100
    thin_epochs: int = 50
    sparse_epochs: int = 20
    aware_epochs: int = 40
    rounds: int = 3


@dataclass(frozen=True)
class Candidate:
    """A teacher that was tried; ``p`` is McNemar's against the best on the validation part."""

    name: str
    parameters: int
    validation_top1: float
    p: float
    chosen: bool


@dataclass(frozen=True, eq=False)
class Stage:
    """A finished stage.

    Attributes
    ----------
    key, title : str
    parent : str or None
        Key of the stage that it was made from.
    lineage : tuple of str
        ``small``, ``same``; both for the teacher; none for a model beside the way.
    network : Network
    params : Params
    content : bytes
        The .tflite.
    weights : str
        How its image stores them: ``plain`` or ``huffman``.
    """

    key: str
    title: str
    parent: str | None
    lineage: tuple[str, ...]
    network: Network
    params: Params = field(repr=False)
    content: bytes = field(repr=False)
    weights: str = "plain"


class ParamStore:
    """Parameters of finished trainings, by name; nothing is kept without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, name: str, train: Callable[[], Params]) -> Params:
        """What was stored, or what ``train`` gives, stored."""
        path = None if self.folder is None else self.folder / f"{name}.npz"
        if path is not None and path.exists():
            with np.load(path) as stored:
                return {k.replace(":", "/"): stored[k] for k in stored.files}
        params = train()
        if path is not None:
            buffer = io.BytesIO()
            arrays = {name.replace("/", ":"): p for name, p in params.items()}
            np.savez(buffer, allow_pickle=False, **arrays)
            write_atomically(path, buffer.getvalue())
        return params


class Compressor:
    """Runs the stages in order; finished trainings are taken from the store."""

    def __init__(
        self,
        design: Design,
        train: Data,
        validation: Data,
        settings: Settings,
        store: ParamStore,
        progress: Progress = lambda stage, share: None,
    ) -> None:
        self.design, self.settings, self.store = design, settings, store
        self.train, self.validation = train, validation
        self.progress = progress
        self.candidates: tuple[Candidate, ...] = ()

    def stages(self) -> Iterator[Stage]:
        """Every stage, as soon as it is finished; ``candidates`` is set with the first."""
        teacher, params = self._teacher()
        yield _float_stage("teacher", "Teacher", None, ("small", "same"), teacher, params)
        objective = Distillation(
            teacher, params, self.settings.temperature, self.settings.soft_share
        )
        yield from self._small(objective)
        yield from self._same(teacher, params, objective)

    def _small(self, objective: Objective) -> Iterator[Stage]:
        s, lineage = self.settings, ("small",)
        student = self.design.student
        params = self.store.get(
            "distilled",
            lambda: (
                self._fit(
                    "distilled", student, student.initial(s.seed), s.student_epochs, 4e-3, objective
                ).params
            ),
        )
        yield _float_stage("distilled", "Distilled student", "teacher", lineage, student, params)
        thin, cut = pruning.remove_channels(student, params, self.design.keep)
        params = self.store.get(
            "channels",
            lambda: self._fit("channels", thin, cut, s.thin_epochs, 3e-3, objective).params,
        )
        yield _float_stage("channels", "Channels removed", "distilled", lineage, thin, params)
        yield from self._sparse_to_coded(
            "", "channels", lineage, thin, params, s.sparsity, objective
        )

    def _same(self, teacher: Network, params: Params, objective: Objective) -> Iterator[Stage]:
        share = self.settings.same_sparsity
        yield from self._sparse_to_coded(
            "same-", "teacher", ("same",), teacher, params, share, objective
        )

    def _sparse_to_coded(
        self,
        prefix: str,
        parent: str,
        lineage: tuple[str, ...],
        network: Network,
        start: Params,
        sparsity: float,
        objective: Objective,
    ) -> Iterator[Stage]:
        """Weights pruned, quantized, coded: the end of both lineages."""
        s = self.settings
        name = f"{prefix}sparse"
        sparse = self.store.get(
            name, lambda: self._prune(name, network, start, sparsity, objective)
        )
        title = f"{100 * sparsity:.0f} % of weights pruned"
        yield _float_stage(name, title, parent, lineage, network, sparse)
        ranges = aware.calibrate(network, sparse, self.train.values)
        simulated = aware.QuantizedNetwork(network, ranges, s.weight_bits)
        scheme = f"w{s.weight_bits}a8"
        on_the_way = lineage if s.quantization == "ptq" else ()
        after = Stage(
            f"{prefix}ptq",
            f"{scheme}, post-training",
            name,
            on_the_way,
            network,
            sparse,
            _content(simulated.graph(sparse)),
        )
        yield after
        if s.quantization == "qat":
            tuned = self.store.get(
                f"{prefix}qat", lambda: self._tune(f"{prefix}qat", simulated, sparse, objective)
            )
            content = _content(simulated.graph(tuned))
            title = f"{scheme}, quantization-aware"
            after = Stage(f"{prefix}qat", title, name, lineage, network, tuned, content)
            yield after
        yield replace(
            after,
            key=f"{prefix}huffman",
            title=f"{scheme}, Huffman-coded",
            parent=after.key,
            weights="huffman",
        )

    def _teacher(self) -> tuple[Network, Params]:
        """The smallest of the teachers that is not significantly worse than the best."""
        s = self.settings
        trained = []
        for network in self.design.teachers:
            params = self.store.get(
                network.name,
                lambda network=network: (
                    self._fit(  # type: ignore[misc]
                        network.name, network, network.initial(s.seed), s.teacher_epochs, 4e-3
                    ).params
                ),
            )
            trained.append((network, params))
        self.candidates = choose_teacher(trained, self.validation)
        return next(pair for pair, c in zip(trained, self.candidates, strict=True) if c.chosen)

    def _recipe(self, epochs: int, rate: float) -> Recipe:
        return Recipe(
            epochs=epochs, peak_rate=rate, seed=self.settings.seed, augment=self.design.augment
        )

    def _fit(
        self,
        name: str,
        network: Network,
        start: Params,
        epochs: int,
        rate: float,
        objective: Objective = cross_entropy,
    ) -> Fitted:
        return fit(
            network,
            start,
            self.train,
            self.validation,
            self._recipe(epochs, rate),
            objective,
            progress=lambda share: self.progress(name, share),
        )

    def _prune(
        self, name: str, network: Network, start: Params, sparsity: float, objective: Objective
    ) -> Params:
        fitted, _ = pruning.prune_gradually(
            network,
            start,
            sparsity,
            self.train,
            self.validation,
            self._recipe(self.settings.sparse_epochs, 2e-3),
            objective,
            self.settings.rounds,
            progress=lambda share: self.progress(name, share),
        )
        return fitted.params

    def _tune(
        self, name: str, simulated: aware.QuantizedNetwork, start: Params, objective: Objective
    ) -> Params:
        """Quantization-aware: what was pruned stays 0."""
        return fit(
            simulated,
            start,
            self.train,
            self.validation,
            self._recipe(self.settings.aware_epochs, 1e-3),
            objective,
            pruning.keep_masked(pruning.masks_of(start)),
            progress=lambda share: self.progress(name, share),
        ).params


def choose_teacher(
    trained: list[tuple[Network, Params]], validation: Data
) -> tuple[Candidate, ...]:
    """The smallest whose accuracy on the validation part is not significantly below the best.

    McNemar's exact test, paired, at :data:`SIGNIFICANCE`; of equal accuracies the smaller network
    counts as the best.
    """
    right = [
        network.predict(params, validation.values).argmax(axis=1) == validation.labels
        for network, params in trained
    ]
    sizes = [network.parameter_count() for network, _ in trained]
    best = max(range(len(trained)), key=lambda i: (int(right[i].sum()), -sizes[i]))
    ps = [paired_accuracy(right[best], each).p for each in right]
    fit_enough = [i for i, p in enumerate(ps) if p >= SIGNIFICANCE]
    chosen = min(fit_enough, key=lambda i: sizes[i])
    return tuple(
        Candidate(network.name, sizes[i], float(right[i].mean()), ps[i], i == chosen)
        for i, (network, _) in enumerate(trained)
    )


def _content(graph: Graph) -> bytes:
    return writer.write(graph)


def _float_stage(
    key: str,
    title: str,
    parent: str | None,
    lineage: tuple[str, ...],
    network: Network,
    params: Params,
) -> Stage:
    content = _content(export.float_graph(network, params))
    return Stage(key, title, parent, lineage, network, params, content)
