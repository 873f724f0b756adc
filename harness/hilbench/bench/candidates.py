"""Mixes of schemes judged on the host: size, estimated cost, and answers on the validation part.

Nothing here sees a held-out vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import models
from hilbench.boards import Board
from hilbench.boards.firmware import Firmware, load_firmware
from hilbench.errors import ModelError, UnsupportedOp, UsageError
from hilbench.models import op_cost
from hilbench.schemes import mixed, recipes
from hilbench.workloads import Workload, by_file
from hilbench.workloads.encoding import encode_real
from hilbench.workloads.metrics import auc, predictions, reconstruction_errors

#: Vectors of the validation part that candidates are judged by, evenly spread over it.
VALIDATION_VECTORS = 500


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answers on the validation part.

    Attributes
    ----------
    quality : float
        Of the workload's metric, 0 to 1.
    change : float
        Mean squared difference of the real outputs from the float model's.
    right : ndarray of bool, shape (n,), or None
        Whether each vector is answered rightly; None for the metric ``auc``.
    scores : ndarray of float64, shape (n,), or None
        Anomaly scores, for the metric ``auc``.
    """

    quality: float
    change: float
    right: NDArray[np.bool_] | None = field(repr=False)
    scores: NDArray[np.float64] | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mix, what it takes and what it answers.

    Attributes
    ----------
    mix : mapping of str to str
        Layer -> scheme, every layer named.
    content : bytes
        Its .tflite.
    flash_bytes : int or None
        Image and the engine's kernels; None where the firmware does not tell the latter.
    estimates : mapping of str to (int or None)
        Output tensor of each operator -> its instructions, estimated; None where a kernel was
        never counted.
    """

    mix: mixed.Mix
    content: bytes = field(repr=False)
    image: models.Image = field(repr=False)
    flash_bytes: int | None
    arena_bytes: int
    estimates: Mapping[str, int | None]
    answers: Answers

    @property
    def instructions(self) -> int | None:
        """Of an inference, estimated; None where an operator's are not known."""
        known = [value for value in self.estimates.values() if value is not None]
        return sum(known) if len(known) == len(self.estimates) else None

    def instructions_of(self, layer: mixed.Layer) -> int:
        """Estimated, of a layer and what follows it."""
        return sum(self.estimates.get(name) or 0 for name in (layer.output, *layer.followers))

    @property
    def costs(self) -> dict[str, int | None]:
        """By the names of a budget's limits."""
        return {
            "flash_bytes": self.flash_bytes,
            "arena_bytes": self.arena_bytes,
            "instructions": self.instructions,
        }


class Judge:
    """Makes and judges mixes of one float model for one board.

    Parameters
    ----------
    float_model : bytes
    calibration : ndarray of float32, shape (n, ...), or None
    workload : Workload
        Whose validation part judges.
    board : Board
    optimize : str
        Of ``models.pack``.
    """

    def __init__(
        self,
        float_model: bytes,
        calibration: NDArray[np.float32] | None,
        workload: Workload,
        board: Board,
        optimize: str,
    ) -> None:
        self._float_model, self._calibration = float_model, calibration
        self._board, self._optimize = board, optimize
        self._firmware: Firmware = load_firmware(board.firmware)
        self.graph = models.loads(float_model, "model")
        self.metric = workload.metric
        self.layers = mixed.layers_of(self.graph)
        self._take(workload)
        self.judged = 0
        self._engines: dict[tuple[str, ...], int | None] = {}
        self._known: dict[tuple[str, ...], Candidate | None] = {}
        self._reference: NDArray[np.float64] | None = None
        self._reference = self._outputs(self.graph)

    def _take(self, workload: Workload) -> None:
        part = workload.examples("validation")
        count = min(VALIDATION_VECTORS, len(part))
        self.chosen = np.linspace(0, len(part) - 1, count).astype(np.int64)
        self._values, self._labels = part.values[self.chosen], part.labels[self.chosen]
        files = part.groups if workload.files else None
        self._files = None if files is None else files[self.chosen]
        if workload.metric == "auc" and len(np.unique(self._labels != 0)) < 2:
            raise UsageError(
                f"the validation part of {workload.name} has vectors of one kind only: "
                "schemes cannot be judged by it",
                hint="choose schemes by hand: --schemes f32,w8a8,...",
            )

    # ------------------------------------------------------------ mixes

    def uniform(self, scheme: str) -> dict[str, str]:
        """Every layer by a scheme, or by the next more accurate one that it can have."""
        return {
            layer.output: scheme if scheme in layer.schemes else layer.schemes[-1]
            for layer in self.layers
        }

    def judge(self, mixes: Sequence[mixed.Mix]) -> list[Candidate | None]:
        """A candidate for each mix, None where quantizer or engine cannot; each is made once."""
        keys = [tuple(mix[layer.output] for layer in self.layers) for mix in mixes]
        new = {k: mix for k, mix in zip(keys, mixes, strict=True) if k not in self._known}
        wanted = [mixed.recipe_of(self.layers, mix) for mix in new.values()]
        made = mixed.quantize_mixes(self._float_model, wanted, self._calibration)
        self.judged += len(new)
        for (key, mix), content in zip(new.items(), made, strict=True):
            self._known[key] = None if isinstance(content, ModelError) else self._of(mix, content)
        return [self._known[key] for key in keys]

    def alone(self, scheme: str) -> list[tuple[mixed.Layer, bytes | ModelError]]:
        """For each layer the model in which it alone is quantized, all else float."""
        recipes.find_scheme(scheme)
        wanted = [mixed.recipe_of(self.layers, {la.output: scheme}, False) for la in self.layers]
        made = mixed.quantize_mixes(self._float_model, wanted, self._calibration)
        return list(zip(self.layers, made, strict=True))

    def _of(self, mix: mixed.Mix, content: bytes) -> Candidate | None:
        try:
            graph = models.loads(content)
            image = models.pack(graph, isa=self._board.isa, optimize=self._optimize)
        except UnsupportedOp:
            return None
        if image.kernels not in self._engines:
            self._engines[image.kernels] = self._firmware.min_flash(image.kernels)
        engine = self._engines[image.kernels]
        estimated = op_cost.estimate_layers(image, op_cost.group_of(self._board.isa))
        return Candidate(
            mix=dict(mix),
            content=content,
            image=image,
            flash_bytes=None if engine is None else len(image.data) + engine,
            arena_bytes=image.arena_bytes,
            estimates={op.output: n for op, n in zip(image.ops, estimated, strict=True)},
            answers=self.answers(graph),
        )

    # ------------------------------------------------------------ answers

    def answers(self, graph: models.Graph) -> Answers:
        """What a model answers, by the host's reference interpreter."""
        outputs = self._outputs(graph)
        assert self._reference is not None
        change = float(np.mean((outputs - self._reference) ** 2))
        if self.metric == "auc":
            scores = reconstruction_errors(outputs, self._values, 1.0, 0)
            scores, labels = by_file(scores, self._labels, self._files)
            return Answers(auc(scores, labels), change, None, scores)
        right = np.asarray(predictions(outputs) == self._labels)
        return Answers(float(right.mean()), change, right, None)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Which files (or vectors) are anomalies, in the order of scores."""
        _, labels = by_file(np.zeros(len(self._labels)), self._labels, self._files)
        return np.asarray(labels != 0)

    def _outputs(self, graph: models.Graph) -> NDArray[np.float64]:
        """Real outputs, shape (n, elements)."""
        raw, _ = encode_real(self._values, graph.inputs[0])
        outputs = models.run_reference(graph, raw).outputs.astype(np.float64)
        tensor = graph.outputs[0]
        if tensor.dtype == "float32":
            return outputs
        return np.asarray(tensor.scale * (outputs - tensor.zero_point))


def layer_rows(judge: Judge, mix: mixed.Mix) -> list[dict[str, Any]]:
    """A mix as JSON has it: a row for each layer."""
    return [
        {
            "layer": layer.output,
            "operator": layer.operator,
            "weights": layer.weights,
            "scheme": mix[layer.output],
        }
        for layer in judge.layers
    ]
