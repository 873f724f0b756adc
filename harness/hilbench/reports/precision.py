"""The report of the low-precision experiment: curves, and where each format ends."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from hilbench.reports.plots import WIDTH

if TYPE_CHECKING:
    from rich.table import Table

#: Left and bottom of the axes' room, and height of the plot, in the drawing's units.
_LEFT, _BOTTOM, _HEIGHT = 34, 26, 220


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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hilbench.reports"), autoescape=True, undefined=StrictUndefined
    )
    curves = [
        (number, curve["title"], curve["validation_top1"])
        for number, curve in enumerate(result["curves"])
    ]
    return environment.get_template("precision.html.j2").render(
        result=result,
        title=_title(result),
        rows=_rows(result),
        plot=curves_plot(curves, "accuracy-curves", "validation accuracy by epoch"),
    )


def curves_plot(curves: Sequence[tuple[int, str, list[float]]], name: str, label: str) -> str:
    """Inline SVG of (class number, title, shares by epoch), from 0 to 1."""
    last = max(len(values) for _, _, values in curves) - 1
    wide, high = WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - 8

    def place(epoch: int, value: float) -> str:
        return f"{_LEFT + wide * epoch / (last or 1):.1f},{8 + high * (1 - value):.1f}"

    body = [
        f'<path class="axis" fill="none" d="M{_LEFT} 8V{8 + high}H{WIDTH - 8}"/>',
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 8}" text-anchor="middle">epoch</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">0</text>',
        f'<text x="{WIDTH - 8}" y="{_HEIGHT - 8}" text-anchor="end">{last}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = 8 + high * (1 - share)
        body.append(f'<text x="{_LEFT - 4}" y="{y + 4}" text-anchor="end">{share:g}</text>')
    for number, title, values in curves:
        points = " ".join(place(epoch, value) for epoch, value in enumerate(values))
        body.append(
            f'<polyline class="curve c{number}" points="{points}" data-label="{escape(title)}" '
            f'data-value="{values[-1]!r}"><title>{escape(title)}: {values[-1]:.3f} at the end'
            "</title></polyline>"
        )
    return (
        f'<svg role="img" data-plot="{name}" aria-label="{escape(label)}" '
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
