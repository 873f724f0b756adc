"""A waterfall: what each step leaves of a quantity, and what it took away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from hilbench.reports.plots import WIDTH


@dataclass(frozen=True)
class Step:
    """One step: its label, what is left after it, and that as text."""

    label: str
    value: float
    text: str


def waterfall(steps: Sequence[Step], name: str, label: str) -> str:
    """Inline SVG: a row per step; the faint part of a bar is what the step before had more.

    The axis starts at zero.  Every mark carries its value in ``data-`` attributes.
    """
    row, thickness = 34, 12
    scale = WIDTH / (max(step.value for step in steps) or 1.0)
    body = []
    before = steps[0].value
    for position, step in enumerate(steps):
        y = row * position
        change = step.value - before
        kind = "less" if change <= 0 else "more"
        low, high = sorted((step.value, before))
        tooltip = f"{step.label}: {step.text} ({change:+,.0f})"
        body.append(
            f'<text x="0" y="{y + 14}">{escape(step.label)}</text>'
            f'<text x="{WIDTH}" y="{y + 14}" text-anchor="end">{escape(step.text)}</text>'
            f'<rect class="track" x="0" y="{y + 19}" width="{WIDTH}" height="{thickness}"/>'
            f'<rect class="bar" x="0" y="{y + 19}" width="{low * scale:.2f}" '
            f'height="{thickness}" data-label="{escape(step.label)}" '
            f'data-value="{step.value!r}" data-change="{change!r}">'
            f"<title>{escape(tooltip)}</title></rect>"
        )
        if change:
            body.append(
                f'<rect class="{kind}" x="{low * scale:.2f}" y="{y + 19}" '
                f'width="{(high - low) * scale:.2f}" height="{thickness}">'
                f"<title>{escape(tooltip)}</title></rect>"
            )
        before = step.value
    return (
        f'<svg role="img" data-plot="{name}" aria-label="{escape(label)}" '
        f'viewBox="0 0 {WIDTH} {row * len(steps)}" preserveAspectRatio="xMidYMid meet">'
        f"{''.join(body)}</svg>"
    )
