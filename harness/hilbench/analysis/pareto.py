"""Which of several candidates no other one beats in everything."""

from __future__ import annotations

from collections.abc import Mapping


def dominators(
    candidates: Mapping[str, Mapping[str, float]], better: Mapping[str, str]
) -> dict[str, list[str]]:
    """Who dominates each candidate.

    Parameters
    ----------
    candidates : mapping
        Name -> objective -> value; an objective that one of two lacks is not compared.
    better : mapping
        Objective -> ``lower`` or ``higher``.

    Returns
    -------
    dict
        Name -> those that are at least as good in every objective, and better in one.  Empty for
        a candidate on the Pareto front.
    """
    return {
        name: [
            other
            for other in candidates
            if other != name and _dominates(candidates[other], values, better)
        ]
        for name, values in candidates.items()
    }


def _dominates(
    first: Mapping[str, float], second: Mapping[str, float], better: Mapping[str, str]
) -> bool:
    gains = [
        (first[key] - second[key]) * (1 if direction == "higher" else -1)
        for key, direction in better.items()
        if key in first and key in second
    ]
    return bool(gains) and min(gains) >= 0 and max(gains) > 0
