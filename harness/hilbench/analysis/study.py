"""A study's subjects against its reference, paired vector by vector; the Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import stats
from hilbench.analysis.pareto import dominators
from hilbench.analysis.study_text import conclusion
from hilbench.store import Bundle
from hilbench.workloads import by_file

LEVEL = 0.05
#: What running costs, the best known first: one of them is the cost of all subjects.
COSTS = ("energy_j", "latency_s", "instructions_per_inference")


@dataclass(frozen=True, eq=False)
class Answers:
    """What a subject answered in accuracy mode, in the order of the vectors.

    Attributes
    ----------
    predictions : ndarray of int64, shape (n,)
        Empty for the metric ``auc``.
    labels : ndarray of int64, shape (n,), or None
    scores : ndarray of float64, shape (n,), or None
        Anomaly scores, of files where vectors are windows of files; for the metric ``auc``.
    """

    predictions: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    scores: NDArray[np.float64] | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        assert self.labels is not None
        return np.asarray(self.predictions == self.labels)


def compare_subjects(study: dict[str, Any], bundles: dict[str, Bundle]) -> dict[str, Any]:
    """Results of a study.

    Parameters
    ----------
    study : dict
        ``study.json``.
    bundles : dict
        Subject -> its sealed bundle, of those that ran.

    Returns
    -------
    dict
        ``subjects`` (each with ``metrics`` and ``vs_reference``), ``pareto`` (names on the front),
        ``objectives``, ``cost``, ``conclusion``.
    """
    reference = study["reference"]
    rows = [_row(entry, bundles.get(entry["name"])) for entry in study["subjects"]]
    by_name = {row["name"]: row for row in rows}
    answers = {name: read_answers(bundle) for name, bundle in bundles.items()}
    cost = next((key for key in COSTS if key in by_name[reference]["metrics"]), None)
    metric = study["workload"]["metric"]
    for row in rows:
        if row["name"] == reference or row["refused"]:
            continue
        versus = _compare_answers(answers[reference], answers[row["name"]], metric)
        if cost is not None:
            versus["cost"] = _compare_cost(bundles[reference], bundles[row["name"]], cost, rows[0])
        row["vs_reference"] = versus
    _adjust(rows)
    comparable = [row for row in rows if not row["refused"] and row["verdict"] != "invalid"]
    objectives = _objectives(metric, cost)
    values = {
        row["name"]: {k: row["objectives"][k] for k in objectives if k in row["objectives"]}
        for row in comparable
    }
    dominated = dominators(values, objectives)
    for row in comparable:
        row["dominated_by"] = dominated[row["name"]]
    results = {
        "schema": "hilbench-study-results-1",
        "study": study["study"],
        "board": study["board"],
        "backend": study["backend"],
        "workload": study["workload"]["name"],
        "metric": metric or None,
        "cost": cost,
        "reference": reference,
        "level": LEVEL,
        "subjects": rows,
        "pareto": [name for name, by in dominated.items() if not by],
        "objectives": [{"key": key, "better": way} for key, way in objectives.items()],
    }
    results["sensitivity"] = study.get("sensitivity")
    results["auto"] = _auto(study.get("auto"), by_name)
    results["conclusion"] = conclusion(results)
    return results


def _auto(auto: dict[str, Any] | None, rows: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The mix that was searched for, with the instructions that the board counted."""
    if auto is None:
        return None
    counted = rows["auto"]["metrics"].get("instructions_per_inference")
    value = None if counted is None else counted["value"]
    limit = auto["budget"].get("instructions")
    exceeded = value is not None and limit is not None and value > limit
    return {**auto, "counted_instructions": value, "exceeded": exceeded}


def read_answers(bundle: Bundle) -> Answers:
    """Predictions, labels and scores of a bundle's accuracy mode."""
    rows = bundle.rows("samples.csv")
    stored = bundle.array("labels.npy")
    vectors = np.array([int(row["vector"]) for row in rows], np.int64)
    labels = None if stored is None else stored[vectors].astype(np.int64)
    if rows and "score" in rows[0] and labels is not None:
        scores = np.array([float(row["score"]) for row in rows])
        files = bundle.array("files.npy")
        scores, labels = by_file(scores, labels, None if files is None else files[vectors])
        return Answers(np.zeros(0, np.int64), labels, scores)
    return Answers(np.array([int(row["prediction"]) for row in rows], np.int64), labels)


def _row(entry: dict[str, Any], bundle: Bundle | None) -> dict[str, Any]:
    """A subject without its comparison."""
    static = {key: entry[key] for key in ("image_bytes", "arena_bytes") if entry[key] is not None}
    row: dict[str, Any] = {
        "name": entry["name"],
        "scheme": entry["scheme"] or entry["name"],
        "text": entry["text"],
        "refused": entry["refused"],
        "verdict": None,
        "model": None,
        "bundle": entry.get("bundle"),
        "metrics": {},
        "objectives": dict(static),
        "vs_reference": None,
        "dominated_by": [],
    }
    if bundle is None:
        return row
    metrics = bundle.metrics["metrics"]
    row["model"] = bundle.plan["subject"]["model"]
    row["verdict"] = bundle.metrics["verdict"]["status"]
    row["reasons"] = bundle.metrics["verdict"]["reasons"]
    row["metrics"] = metrics
    row["objectives"] = {
        key: metrics[key]["value"]
        for key in ("top1", "auc", *COSTS, "arena_bytes", "image_bytes")
        if key in metrics
    }
    if "engine_min_flash_bytes" in metrics:
        flash = metrics["image_bytes"]["value"] + metrics["engine_min_flash_bytes"]["value"]
        row["objectives"]["flash_bytes"] = flash
    return row


def _objectives(metric: str, cost: str | None) -> dict[str, str]:
    """What is traded against what: objective -> which way is better."""
    objectives = {metric: "higher"} if metric else {}
    if cost is not None:
        objectives[cost] = "lower"
    return {**objectives, "flash_bytes": "lower", "arena_bytes": "lower"}


def _compare_answers(reference: Answers, other: Answers, metric: str) -> dict[str, Any]:
    if metric == "auc":
        return _compare_scores(reference, other)
    changed = np.flatnonzero(reference.predictions != other.predictions)
    result: dict[str, Any] = {"vectors": len(reference.predictions)}
    result |= {"flipped": len(changed), "flipped_vectors": changed.tolist()}
    if reference.labels is None:
        return result
    n = len(reference.predictions)
    found = stats.paired_accuracy(reference.right, other.right)
    lost, gained = found.lost, found.gained
    return result | {
        "lost": lost,
        "gained": gained,
        "mcnemar_p": found.p,
        "accuracy_shift": found.shift,
        "low": found.low,
        "high": found.high,
        "vectors_to_decide": stats.vectors_to_decide(lost, gained, n),
        "smallest_visible_difference": stats.smallest_visible_difference(lost, gained, n),
    }


def _compare_scores(reference: Answers, other: Answers) -> dict[str, Any]:
    assert reference.scores is not None
    assert other.scores is not None
    assert reference.labels is not None
    found = stats.paired_auc(reference.scores, other.scores, reference.labels != 0)
    return {
        "vectors": len(reference.scores),
        "delong_p": found.p,
        "auc_shift": found.shift,
        "low": found.low,
        "high": found.high,
    }


def _compare_cost(
    reference: Bundle, other: Bundle, key: str, row: dict[str, Any]
) -> dict[str, Any] | None:
    """Ratio of the medians, and the shift over vectors that both were timed on."""
    if key not in other.metrics["metrics"]:
        return None
    base, value = (b.metrics["metrics"][key]["value"] for b in (reference, other))
    first, second = _per_vector(reference), _per_vector(other)
    both = sorted(set(first) & set(second))
    result = {"metric": key, "ratio": value / base, "vectors": len(both)}
    if not both or key == "energy_j":
        return result
    shift = stats.paired_shift([first[v] for v in both], [second[v] for v in both])
    scale = value / np.median(list(second.values()))
    return result | {
        "shift": shift.shift * scale,
        "low": shift.low * scale,
        "high": shift.high * scale,
        "wilcoxon_p": shift.p,
    }


def _per_vector(bundle: Bundle) -> dict[int, float]:
    """Median count of each timed vector."""
    unit = bundle.plan["facts"]["ticks"]
    counts: dict[int, list[float]] = {}
    for row in bundle.rows("windows.csv"):
        counts.setdefault(int(row["vector"]), []).append(float(row[unit]))
    return {vector: float(np.median(values)) for vector, values in counts.items()}


def _adjust(rows: list[dict[str, Any]]) -> None:
    """p-values of all comparisons adjusted for their number; significant or not."""
    tested = [
        (row["vs_reference"], key)
        for row in rows
        if row["vs_reference"]
        for key in ("mcnemar_p", "delong_p")
        if key in row["vs_reference"]
    ]
    adjusted = stats.holm([versus[key] for versus, key in tested])
    for (versus, key), p in zip(tested, adjusted, strict=True):
        versus[f"{key}_holm"] = p
        versus["significant"] = p <= LEVEL
