"""Which layer loses the accuracy: one weighted operator at a time quantized, all else float."""

from __future__ import annotations

from typing import Any

from hilbench import models, stats
from hilbench.bench.candidates import Answers, Judge
from hilbench.errors import ModelError, UnsupportedOp

ORIGIN = "host reference, validation part"


def measure_sensitivity(judge: Judge, scheme: str) -> dict[str, Any]:
    """What each layer loses when it alone is quantized.

    Parameters
    ----------
    judge : Judge
    scheme : str
        Of ``recipes.SCHEMES``, made by the quantizer.

    Returns
    -------
    dict
        ``scheme``, ``metric``, ``origin``, ``vectors``, ``quality`` of the float model, and
        ``layers``: each with ``layer``, ``operator``, ``refused`` (why it cannot be quantized, or
        None).  Where it can: ``quality``, ``shift`` with ``low`` and ``high`` (paired, 95 %),
        ``change`` (mean squared difference of the outputs), ``weight_bytes_saved``.
    """
    base = judge.answers(judge.graph)
    rows = []
    for layer, content in judge.alone(scheme):
        row: dict[str, Any] = {"layer": layer.output, "operator": layer.operator, "refused": None}
        rows.append(row)
        if isinstance(content, ModelError):
            row["refused"] = content.message
            continue
        try:
            graph = models.loads(content)
            answers = judge.answers(graph)
        except UnsupportedOp as error:
            row["refused"] = error.message
            continue
        row |= {"quality": answers.quality, "change": answers.change}
        row |= _shift(judge, base, answers)
        row["weight_bytes_saved"] = _constants(judge.graph) - _constants(graph)
    return {
        "scheme": scheme,
        "metric": judge.metric,
        "origin": ORIGIN,
        "vectors": len(judge.chosen),
        "quality": base.quality,
        "layers": rows,
    }


def _shift(judge: Judge, base: Answers, other: Answers) -> dict[str, float]:
    """Shift of the metric with its paired interval."""
    if base.scores is not None and other.scores is not None:
        found = stats.paired_auc(base.scores, other.scores, judge.positive)
        return {"shift": found.shift, "low": found.low, "high": found.high}
    assert base.right is not None
    assert other.right is not None
    paired = stats.paired_accuracy(base.right, other.right)
    return {"shift": paired.shift, "low": paired.low, "high": paired.high}


def _constants(graph: models.Graph) -> int:
    """Weights and biases, bytes."""
    return sum(tensor.bytes for tensor in graph.tensors if tensor.data is not None)
