"""The report of the low-precision experiment: curves, and where each format ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from hilbench.reports.page import render_page
from hilbench.reports.plots import WIDTH, Bar, bars

if TYPE_CHECKING:
    from rich.table import Table

#: Left and bottom of the axes' room, and height of the plot, in the drawing's units.
_LEFT, _BOTTOM, _HEIGHT = 44, 26, 200


def precision_table(result: dict[str, Any]) -> Table:
    """The end of each training."""
    from rich.table import Table

    table = Table(title=_title(result), title_justify="left")
    table.add_column("format", overflow="fold")
    for name in ("best epoch", "top-1 held out", "vs float32, points", "McNemar p"):
        table.add_column(name, justify="right")
    for row in _rows(result):
        table.add_row(row["title"], row["epoch"], row["top1"], row["shift"], row["p"])
    return table


def render_precision(result: dict[str, Any]) -> str:
    """One self-contained page."""
    return render_page(
        "precision.html.j2",
        result=result,
        title=_title(result),
        rows=_rows(result),
        plots=_plots(result),
    )


def _plots(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(heading, caption, SVG): validation accuracy, and the training loss in decades."""
    accuracy = [(c["title"], c["validation_top1"]) for c in result["curves"]]
    losses = [
        (c["title"], [math.log10(loss) for loss in c["train_loss"]]) for c in result["curves"]
    ]
    low = max(0.0, math.floor(10 * min(min(v[len(v) // 10 :]) for _, v in accuracy)) / 10)
    span = [value for _, values in losses for value in values]
    decades = range(math.floor(min(span)), math.ceil(max(span)) + 1)
    shares = [low + (1 - low) * i / 4 for i in range(5)]
    return [
        (
            "Accuracy on the validation part",
            f"The axis starts at {low:g}, the first epochs may lie below.",
            curves_plot(accuracy, [(s, f"{s:.3g}") for s in shares], "accuracy"),
        ),
        (
            "Training loss",
            "Mean cross-entropy of each epoch, logarithmic.",
            curves_plot(losses, [(d, f"{10.0**d:g}") for d in decades], "loss"),
        ),
        (
            "Accuracy held out",
            "Top-1 of the chosen epoch, 95 % Wilson intervals.",
            bars([_bar(c) for c in result["curves"]], "held-out", "accuracy of each format", 1.0),
        ),
    ]


def _bar(curve: dict[str, Any]) -> Bar:
    top1 = curve["top1"]
    text = f"{100 * top1['value']:.1f} %"
    return Bar(curve["format"], top1["value"], text, top1["low"], top1["high"])


def curves_plot(
    curves: Sequence[tuple[str, list[float]]], ticks: Sequence[tuple[float, str]], name: str
) -> str:
    """Inline SVG of (title, values by epoch); the ticks (value, text) span the axis."""
    last = max(len(values) for _, values in curves) - 1
    low, top = ticks[0][0], ticks[-1][0]
    wide, high = WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - 8

    def y(value: float) -> float:
        return 8 + high * (top - max(value, low)) / (top - low)

    body = [
        f'<path class="axis" fill="none" d="M{_LEFT} 8V{8 + high}H{WIDTH - 8}"/>',
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 8}" text-anchor="middle">epoch</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">0</text>',
        f'<text x="{WIDTH - 8}" y="{_HEIGHT - 8}" text-anchor="end">{last}</text>',
    ]
    for value, text in ticks:
        body.append(f'<text x="{_LEFT - 4}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for number, (title, values) in enumerate(curves):
        points = " ".join(
            f"{_LEFT + wide * epoch / (last or 1):.1f},{y(value):.1f}"
            for epoch, value in enumerate(values)
        )
        body.append(
            f'<polyline class="curve c{number}" points="{points}" data-label="{escape(title)}" '
            f'data-value="{values[-1]!r}"><title>{escape(title)}</title></polyline>'
        )
    return (
        f'<svg role="img" data-plot="{name}" aria-label="{name} by epoch" '
        f'viewBox="0 0 {WIDTH} {_HEIGHT}" preserveAspectRatio="xMidYMid meet">{"".join(body)}</svg>'
    )


def _title(result: dict[str, Any]) -> str:
    synthetic = ", synthetic data" if result["synthetic"] else ""
    return f"low-precision training, {result['workload']}{synthetic}, seed {result['seed']}"


def _rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for number, curve in enumerate(result["curves"]):
        paired, top1 = curve["vs_float32"], curve["top1"]
        shift = ""
        if paired is not None:
            points = [100 * paired[key] for key in ("accuracy_shift", "low", "high")]
            shift = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*points)
        rows.append(
            {
                "number": number,
                "title": curve["title"],
                "epoch": str(curve["best_epoch"]),
                "top1": f"{100 * top1['value']:.1f} %",
                "shift": shift,
                "p": "" if paired is None else f"{paired['mcnemar_p']:.3g}",
            }
        )
    return rows
