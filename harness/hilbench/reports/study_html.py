"""One self-contained HTML page from one study: the answer, the table, the trade-offs, the flips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hilbench.reports.page import render_page
from hilbench.reports.study_layers import (
    SENSITIVITY_HEADINGS,
    auto_facts,
    sensitivity_plot,
    sensitivity_rows,
    sensitivity_title,
)
from hilbench.reports.study_plots import Point, tradeoff
from hilbench.reports.study_table import cells, columns, headings, objective_text
from hilbench.reports.terminal import UNTESTED
from hilbench.reports.vectors import VectorDrawer
from hilbench.store import Bundle
from hilbench.store.study import StudyFolder
from hilbench.units import REGISTRY

#: Flipped vectors that are shown of each subject; all are in results.json.
FLIPPED_SHOWN = 12
QUALITIES = ("top1", "auc")
TITLES = {"flash_bytes": "Flash: image and kernels", "arena_bytes": "Arena"}


@dataclass(frozen=True)
class Flip:
    """A vector that a subject answers otherwise than the reference."""

    vector: int
    picture: str
    label: str
    before: str
    after: str
    change: str


def render_study(study: StudyFolder, results: dict[str, Any]) -> str:
    """The report's text; ``study`` needs its bundles, not its manifest."""
    plan = study.plan
    return render_page(
        "study.html.j2",
        plan=plan,
        results=results,
        title=f"{plan['model']} on {plan['board']}: which scheme?",
        untested=None if plan["silicon_tested"] else UNTESTED,
        all_headings=headings(results),
        rows=[_row(results, row) for row in results["subjects"]],
        plots=list(_plots(results)),
        flips=list(_flips(study, results)),
        sensitivity=_sensitivity(results.get("sensitivity")),
        auto=_auto(results.get("auto")),
        provenance=list(_provenance(study)),
    )


def _row(results: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    verdict = "cannot run" if row["refused"] else row["verdict"]
    return {
        "name": row["name"],
        "text": row["text"],
        "cells": cells(results, row),
        "verdict": verdict,
        "dominated": row["dominated_by"],
        "raw": {"objectives": row["objectives"], "vs_reference": _brief(row["vs_reference"])},
        "bundle": row["bundle"],
    }


def _brief(versus: dict[str, Any] | None) -> dict[str, Any] | None:
    if versus is None:
        return None
    return {key: value for key, value in versus.items() if key != "flipped_vectors"}


# ---------------------------------------------------------------- plots


def _plots(results: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(heading, caption, SVG): quality against each cost."""
    quality = next((k for k, _ in columns(results) if k in QUALITIES), None)
    if quality is None:
        return
    title = REGISTRY[quality].title
    for key, _ in columns(results):
        if key == quality:
            continue
        points = [
            _point(row, key, quality)
            for row in results["subjects"]
            if key in row["objectives"] and quality in row["objectives"]
        ]
        if len(points) < 2:
            continue
        cost = TITLES.get(key) or REGISTRY[key].title
        beaten = sum(point.dominated for point in points)
        caption = (
            f"Whiskers: 95 % interval of each alone; the paired shifts in the table are narrower. "
            f"Greyed: {beaten} schemes that another one equals or beats in every objective "
            f"({', '.join(heading for _, heading in columns(results))})."
        )
        svg = tradeoff(points, cost, title, f"tradeoff-{key}", f"{title} against {cost}")
        yield f"{title} against {cost.lower()}", caption, svg


def _point(row: dict[str, Any], cost: str, quality: str) -> Point:
    metric = row["metrics"][quality]
    return Point(
        name=row["name"],
        x=row["objectives"][cost],
        y=row["objectives"][quality],
        x_text=objective_text(row, cost),
        y_text=objective_text(row, quality),
        low=metric["low"],
        high=metric["high"],
        dominated=bool(row["dominated_by"]),
    )


# ---------------------------------------------------------------- flipped vectors


def _flips(study: StudyFolder, results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    reference = study.bundle(results["reference"], verify=False)
    drawer = VectorDrawer(reference)
    for row in results["subjects"]:
        versus = row["vs_reference"]
        if not versus or not versus.get("flipped_vectors"):
            continue
        other = study.bundle(row["name"], verify=False)
        vectors = versus["flipped_vectors"]
        yield {
            "name": row["name"],
            "count": len(vectors),
            "shown": list(_flipped(reference, other, vectors[:FLIPPED_SHOWN], drawer)),
        }


def _flipped(
    reference: Bundle, other: Bundle, vectors: list[int], drawer: VectorDrawer
) -> Iterator[Flip]:
    classes = reference.plan["workload"]["classes"]
    before = {int(row["vector"]): row for row in reference.rows("samples.csv")}
    after = {int(row["vector"]): row for row in other.rows("samples.csv")}

    def name(number: str) -> str:
        return classes[int(number)] if number and int(number) < len(classes) else number

    for vector in vectors:
        label = before[vector]["label"]
        was, now = before[vector]["prediction"], after[vector]["prediction"]
        change = ""
        if label:
            change = "lost" if was == label else "gained" if now == label else "other"
        yield Flip(vector, drawer.draw(vector), name(label), name(was), name(now), change)


# ---------------------------------------------------------------- layers


def _sensitivity(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "title": sensitivity_title(found),
        "headings": SENSITIVITY_HEADINGS,
        "rows": list(sensitivity_rows(found)),
        "plot": sensitivity_plot(found),
    }


def _auto(found: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else {"facts": auto_facts(found), "layers": found["layers"]}


# ---------------------------------------------------------------- provenance


def _provenance(study: StudyFolder) -> Iterator[tuple[str, str]]:
    plan = study.plan
    workload = plan["workload"]
    yield "created", plan["created"]
    yield "board", f"{plan['board_title']} ({plan['board']}), backend {plan['backend']}"
    facts = plan["facts"]
    yield "backend declares", f"ticks: {facts['ticks']}; time base: {facts['time_base']}"
    yield "workload", f"{workload['name']}, {workload['vectors']} vectors"
    yield "workload data", workload["source"]
    if workload["synthetic"]:
        yield "synthetic", "the data were generated, not recorded"
    yield "workload identity", plan["workload_identity"]
    yield "float model", plan["model"]
    yield "calibrated on", plan["calibration"]
    for number, order in enumerate(plan["orders"], 1):
        yield f"round {number}", " → ".join(order)
    yield "timed vectors", f"{plan['performance_vectors']} of each scheme, in equal shares a round"
    for row in plan["subjects"]:
        yield row["name"], f"{row['text']}; {row.get('bundle') or row['refused']}"
