"""A study's results in plain words: what is significant, what is not, what would decide it."""

from __future__ import annotations

from typing import Any

from hilbench.units import REGISTRY, format_value


def conclusion(results: dict[str, Any]) -> list[str]:
    """Sentences, the answer first."""
    reference = results["reference"]
    compared = [row for row in results["subjects"] if row["vs_reference"]]
    invalid = [row for row in compared if row["verdict"] == "invalid"]
    valid = [row for row in compared if row["verdict"] != "invalid"]
    lines = _answer(results, valid)
    lines += [_sentence(row, reference, results["metric"]) for row in valid]
    lines += [
        f"{row['name']} is left out: its measurement is invalid ({'; '.join(row['reasons'])})."
        for row in invalid
    ]
    lines += [
        f"{row['name']} cannot run here: {row['refused']}."
        for row in results["subjects"]
        if row["refused"]
    ]
    return [*lines, *_sensitivity(results.get("sensitivity")), *_auto(results.get("auto"))]


def _sensitivity(found: dict[str, Any] | None) -> list[str]:
    """The layer that loses most."""
    able = [row for row in (found or {}).get("layers", []) if not row["refused"]]
    if found is None or not able:
        return []
    worst = max(able, key=lambda row: row["change"])
    clear = worst["high"] < 0
    shift = (
        f"{_signed(worst['shift'])} points ({_signed(worst['low'])} to {_signed(worst['high'])})"
    )
    if found["metric"] == "auc":
        shift = f"AUC {worst['shift']:+.4f} ({worst['low']:+.4f} to {worst['high']:+.4f})"
    return [
        f"Quantized alone by {found['scheme']}, {worst['layer']} changes the output most: {shift} "
        f"on the validation part{'' if clear else ', which is no significant loss'}."
    ]


def _auto(found: dict[str, Any] | None) -> list[str]:
    """What the search estimated, and what the board counted."""
    if found is None:
        return []
    estimated, counted = found["estimated_instructions"], found["counted_instructions"]
    if estimated is None or counted is None:
        return ["auto holds its budget; there are no counts to check the estimate by."]
    text = f"auto holds its budget with {estimated:,} instructions by the estimate"
    text += f"; counted are {counted:,.0f}"
    if found["exceeded"]:
        text += f", MORE than the budget of {found['budget']['instructions']:,}: lower it"
    return [f"{text}."]


def _answer(results: dict[str, Any], valid: list[dict[str, Any]]) -> list[str]:
    """Which subject to take, among those that showed no loss."""
    if not results["metric"] or not valid:
        return []
    reference = next(r for r in results["subjects"] if r["name"] == results["reference"])
    sound = [reference, *(row for row in valid if not _lost(row))]
    lines = []
    for key, what in _answers(results):
        able = [row for row in sound if key in row["objectives"]]
        if len(able) < 2:
            continue
        best = min(able, key=lambda row: row["objectives"][key])
        value = _amount(key, best["objectives"][key])
        ratio = best["objectives"][key] / reference["objectives"][key]
        share = "" if best is reference else f", {ratio:.2f} times {reference['name']}"
        bound = ""
        if best is not reference and "low" in best["vs_reference"]:
            worst = -best["vs_reference"]["low"]
            bound = f"; a loss of more than {_points(worst)} is ruled out (95 %)"
            if worst <= 0:
                bound = "; any loss is ruled out (95 %)"
        lines.append(
            f"Of the schemes that showed no significant loss, {best['name']} needs the least "
            f"{what}: {value}{share}{bound}."
        )
    if len(sound) == 1:
        lines.append(f"Every other scheme loses significantly against {reference['name']}.")
    return lines


def _answers(results: dict[str, Any]) -> list[tuple[str, str]]:
    cost = results["cost"]
    named = [] if cost is None else [(cost, REGISTRY[cost].title.lower())]
    return [*named, ("flash_bytes", "flash (image and kernels)"), ("arena_bytes", "arena")]


def _lost(row: dict[str, Any]) -> bool:
    versus = row["vs_reference"]
    shift = versus.get("accuracy_shift", versus.get("auc_shift", 0.0))
    return bool(versus.get("significant")) and shift < 0


def _sentence(row: dict[str, Any], reference: str, metric: str | None) -> str:
    versus = row["vs_reference"]
    head = f"{row['name']} against {reference}: "
    cost = versus.get("cost")
    tail = "" if not cost else f" It takes {cost['ratio']:.2f} times the {_cost_name(cost)}."
    if metric == "auc":
        return head + _auc(versus) + tail
    if metric is None:
        return head + f"{versus['flipped']} of {versus['vectors']} predictions differ." + tail
    seen = (
        f"{versus['flipped']} of {versus['vectors']} predictions differ, {versus['gained']} gained "
        f"and {versus['lost']} lost; accuracy {_signed(versus['accuracy_shift'])} points "
        f"({_signed(versus['low'])} to {_signed(versus['high'])}), "
    )
    return head + seen + _significance(versus) + tail


def _significance(versus: dict[str, Any]) -> str:
    p, adjusted = versus["mcnemar_p"], versus["mcnemar_p_holm"]
    test = f"McNemar p = {p:.3g}, {adjusted:.3g} for all comparisons together"
    if versus["significant"]:
        word = "more" if versus["accuracy_shift"] > 0 else "less"
        return f"significantly {word} accurate ({test})."
    text = f"no significant difference ({test})."
    if p <= 0.05:
        text = f"significant if it were the only comparison, not among all of them ({test})."
    needed = versus["vectors_to_decide"]
    if needed is not None and needed > versus["vectors"]:
        return f"{text} To decide a difference of this size, about {needed:,} vectors are needed."
    visible = versus["smallest_visible_difference"]
    if needed is None and visible is not None:
        return f"{text} A difference below {_points(visible)} would not have been seen."
    return text


def _auc(versus: dict[str, Any]) -> str:
    word = "a significant" if versus["significant"] else "no significant"
    return (
        f"AUC {versus['auc_shift']:+.4f} ({versus['low']:+.4f} to {versus['high']:+.4f}), {word} "
        f"difference (DeLong p = {versus['delong_p']:.3g}, {versus['delong_p_holm']:.3g} for all "
        "comparisons together)."
    )


def _amount(key: str, value: float) -> str:
    return format_value(key if key in REGISTRY else "image_bytes", value)


def _cost_name(cost: dict[str, Any]) -> str:
    return REGISTRY[cost["metric"]].title.lower().removesuffix(" per inference")


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
