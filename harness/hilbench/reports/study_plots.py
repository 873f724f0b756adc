"""The trade-off plot of a study: accuracy against a cost, dominated subjects greyed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from hilbench.reports.plots import LETTER, svg, words

WIDTH, HEIGHT = 340, 260
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 16, 44
#: Costs that differ more than this are drawn on a logarithmic axis.
LOGARITHMIC_FROM = 8.0


@dataclass(frozen=True)
class Point:
    """A subject: its cost and quality with their texts, its interval, and whether it is beaten."""

    name: str
    x: float
    y: float
    x_text: str
    y_text: str
    low: float | None
    high: float | None
    dominated: bool


def tradeoff(points: Sequence[Point], x_title: str, y_title: str, name: str, label: str) -> str:
    """Quality upward, cost to the right, whiskers for the intervals; a step line for the front."""
    axis = _Axis([p.x for p in points])
    bounds = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    low, high = min(bounds), max(bounds)
    pad = (high - low) * 0.06 or 0.01
    bottom, top = low - pad, high + pad

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom)

    base = HEIGHT - BOTTOM
    body = [
        f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{base}"/>',
        f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}"/>',
        words(WIDTH / 2, HEIGHT - 6, f"{x_title}{axis.note}", "middle"),
        words(12, base / 2, y_title, "middle", turned=True),
    ]
    ends = dict.fromkeys(pick(points, key=lambda p: p.x) for pick in (min, max))
    body += [
        words(axis.place(p.x), base + 16, p.x_text, "start" if axis.is_left(p.x) else "end")
        for p in ends
    ]
    body += [
        words(LEFT - 6, y(p.y) + 4, p.y_text, "end")
        for p in dict.fromkeys(pick(points, key=lambda p: p.y) for pick in (min, max))
    ]
    placed = _labels(points, axis, y)
    for point in sorted(points, key=lambda p: not p.dominated):  # the front lies on top
        body.append(_mark(point, axis.place(point.x), y))
        anchor, x, at = placed[point.name]
        kind = ' class="beaten"' if point.dominated else ""
        body.append(f"<g{kind}>{words(x, at, point.name, anchor)}</g>")
    return svg(HEIGHT, body, label, name)


class _Axis:
    """Costs to places, linear or logarithmic."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        self._log = low > 0 and high / low > LOGARITHMIC_FROM
        self.note = " (logarithmic)" if self._log else ""
        self._low, self._high = self._scaled(low), self._scaled(high)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self._log else value

    def place(self, value: float) -> float:
        span = self._high - self._low
        share = (self._scaled(value) - self._low) / span if span else 0.5
        return LEFT + 10 + (WIDTH - LEFT - RIGHT - 20) * share

    def is_left(self, value: float) -> bool:
        return self.place(value) < (LEFT + WIDTH - RIGHT) / 2


def _mark(point: Point, x: float, y: object) -> str:
    assert callable(y)
    kind = "mark beaten" if point.dominated else "mark front"
    whisker = ""
    if point.low is not None and point.high is not None:
        whisker = (
            f'<path class="interval{" beaten" if point.dominated else ""}" '
            f'd="M{x:.1f} {y(point.low):.1f}V{y(point.high):.1f}"/>'
        )
    beaten = "; dominated" if point.dominated else ""
    return (
        f'{whisker}<circle class="{kind}" cx="{x:.1f}" cy="{y(point.y):.1f}" r="5" '
        f'data-subject="{escape(point.name)}" data-x="{point.x!r}" data-y="{point.y!r}" '
        f'data-dominated="{int(point.dominated)}">'
        f"<title>{escape(f'{point.name}: {point.y_text} at {point.x_text}{beaten}')}</title>"
        "</circle>"
    )


def _labels(points: Sequence[Point], axis: _Axis, y: object) -> dict[str, tuple[str, float, float]]:
    """Anchor and place of each name: beside its mark, moved down where another name or mark is."""
    assert callable(y)
    marks = [(axis.place(p.x), y(p.y) + 4) for p in points]
    taken = [(x - 6, x + 6, baseline) for x, baseline in marks]
    placed = {}
    for point in sorted(points, key=lambda p: (-p.y, p.x)):
        left = axis.is_left(point.x)
        x = axis.place(point.x) + (9 if left else -9)
        width = LETTER * len(point.name)
        start, end = (x, x + width) if left else (x - width, x)
        at = y(point.y) - 6
        while any(abs(at - other) < 12 and start < e and s < end for s, e, other in taken):
            at += 12
        taken.append((start, end, at))
        placed[point.name] = ("start" if left else "end", x, at)
    return placed
