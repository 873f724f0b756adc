"""Plots as inline SVG: every mark carries its value in ``data-`` attributes and a tooltip.

No script and no external file: the report works from a mail attachment, prints, and its data can be
read back from the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

#: Of the drawing, in its own units: close to the width of a column, so that text stays readable.
WIDTH = 460
LEFT, RIGHT, TOP, BOTTOM = 78, 12, 12, 36


@dataclass(frozen=True)
class Bar:
    """One bar: its label, value, the value as text, and an interval where there is one."""

    label: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


def _svg(height: int, body: Sequence[str], label: str, name: str) -> str:
    return (
        f'<svg role="img" data-plot="{name}" aria-label="{escape(label)}" '
        f'viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="xMidYMid meet">{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def scatter(
    points: Sequence[tuple[int, int, float]], unit: str, name: str, label: str, height: int = 220
) -> str:
    """Vector, repeat and value of each timed inference, all of them drawn.

    The vertical axis shows the values' own range, its ends labelled: it does not start at zero.
    """
    values = [value for _, _, value in points]
    low, high = min(values), max(values)
    pad = (high - low) * 0.1 or max(1.0, abs(high) * 0.001)
    bottom, top = low - pad, high + pad
    last = max(vector for vector, _, _ in points) or 1
    plot_height = height - TOP - BOTTOM

    def x(vector: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * vector / last

    def y(value: float) -> float:
        return TOP + plot_height * (top - value) / (top - bottom)

    body = [
        f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{height - BOTTOM}"/>',
        f'<line class="axis" x1="{LEFT}" y1="{height - BOTTOM}" x2="{WIDTH - RIGHT}" '
        f'y2="{height - BOTTOM}"/>',
    ]
    ends = (low,) if low == high else (low, high)
    body += [_text(LEFT - 6, y(value) + 4, f"{value:,.0f}", "end") for value in ends]
    body += [
        _text(LEFT, height - BOTTOM + 16, "0", "middle"),
        _text(WIDTH - RIGHT, height - BOTTOM + 16, f"{last}", "end"),
        _text((LEFT + WIDTH - RIGHT) / 2, height - 6, f"vector; {unit} per inference", "middle"),
    ]
    body += [
        f'<circle class="mark r{repeat % 4}" cx="{x(vector):.1f}" cy="{y(value):.1f}" r="2.5" '
        f'data-vector="{vector}" data-repeat="{repeat}" data-value="{value:.0f}">'
        f"<title>vector {vector}, repeat {repeat}: {value:,.0f} {unit}</title></circle>"
        for vector, repeat, value in points
    ]
    return _svg(height, body, label, name)


def bars(entries: Sequence[Bar], name: str, label: str, maximum: float | None = None) -> str:
    """Horizontal bars from zero, each with its value beside it."""
    row, label_width, value_width = 24, 158, 84
    top = maximum or max(max(entry.value, entry.high or 0) for entry in entries) or 1.0
    scale = (WIDTH - label_width - value_width) / top
    body = []
    for position, entry in enumerate(entries):
        y = 6 + row * position
        body.append(_text(label_width - 8, y + 14, entry.label, "end"))
        body.append(
            f'<rect class="bar" x="{label_width}" y="{y}" width="{entry.value * scale:.2f}" '
            f'height="{row - 8}" data-label="{escape(entry.label)}" data-value="{entry.value:g}">'
            f"<title>{escape(entry.label)}: {escape(entry.text)}</title></rect>"
        )
        end = entry.value
        if entry.low is not None and entry.high is not None:
            end = entry.high
            middle = y + (row - 8) / 2
            body.append(
                f'<line class="interval" x1="{label_width + entry.low * scale:.2f}" '
                f'x2="{label_width + entry.high * scale:.2f}" y1="{middle}" y2="{middle}"/>'
            )
        body.append(_text(label_width + end * scale + 6, y + 14, entry.text))
    return _svg(12 + row * len(entries), body, label, name)


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], name: str, label: str) -> str:
    """Labels down, predictions across; each cell carries its count."""
    count = len(classes)
    cell = min(36.0, (WIDTH - LEFT) / count)
    body = []
    for row, true in enumerate(classes):
        total = max(1, int(matrix[row].sum()))
        body.append(_text(LEFT - 8, TOP + cell * (row + 0.5) + 4, true, "end"))
        for column, predicted in enumerate(classes):
            value = int(matrix[row, column])
            x, y = LEFT + cell * column, TOP + cell * row
            kind = "right" if row == column else "wrong"
            body.append(
                f'<rect class="cell {kind}" x="{x:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" '
                f'height="{cell - 1:.1f}" fill-opacity="{value / total:.3f}" data-label="{row}" '
                f'data-prediction="{column}" data-value="{value}">'
                f"<title>{escape(true)} taken for {escape(predicted)}: {value}</title></rect>"
            )
            if value:
                body.append(_text(x + cell / 2, y + cell / 2 + 4, str(value), "middle"))
    base = TOP + cell * count
    body += [
        _text(LEFT + cell * (column + 0.5), base + 16, predicted, "middle")
        for column, predicted in enumerate(classes)
    ]
    body.append(
        _text(LEFT + cell * count / 2, base + 34, "prediction (label at the left)", "middle")
    )
    return _svg(int(base + 44), body, label, name)


def picture(pixels: NDArray[np.float64], title: str) -> str:
    """A small grey picture; ``pixels`` of shape (height, width), 0 = dark to 1 = light."""
    height, width = pixels.shape
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1.02" height="1.02" fill="rgb({g},{g},{g})"/>'
        for y in range(height)
        for x in range(width)
        for g in (round(255 * float(pixels[y, x])),)
    )
    return (
        f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{cells}</svg>'
    )
