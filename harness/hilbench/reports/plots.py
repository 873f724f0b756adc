"""Plots as inline SVG: every mark carries its value in ``data-`` attributes and a tooltip.

No script and no external file: the report works from a mail attachment, prints, and its data can be
read back from the page.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

#: Of a drawing, in its own units: as wide as a column on a phone, where text so keeps its size.
WIDTH = 340
RIGHT, TOP, BOTTOM = 12, 12, 40
#: Width of a digit or an average letter of the 12-unit font; DejaVu Sans, the widest usual one.
LETTER = 7.6
#: Longest label that is written out; the rest is in the tooltip.
LABEL_LETTERS = 24
#: Opacity of a cell that holds its whole row: text stays readable on it, in both colour schemes.
FULL_CELL, FAINTEST_CELL = 0.5, 0.12


@dataclass(frozen=True)
class Bar:
    """One bar: its label, value, the value as text, and an interval where there is one."""

    label: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


def svg(height: float, body: Sequence[str], label: str, name: str) -> str:
    return (
        f'<svg role="img" data-plot="{name}" aria-label="{escape(label)}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" preserveAspectRatio="xMidYMid meet">'
        f"{''.join(body)}</svg>"
    )


def words(x: float, y: float, text: str, anchor: str = "start", turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(text)}</text>'


def _short(label: str, letters: int = LABEL_LETTERS) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "…"


def scatter(
    points: Sequence[tuple[int, int, float]], unit: str, name: str, label: str, height: int = 240
) -> str:
    """Vector, repeat and value of each timed inference, all of them drawn.

    The vertical axis shows the values' own range, its ends labelled: it does not start at zero.
    """
    values = [value for _, _, value in points]
    low, high = min(values), max(values)
    pad = (high - low) * 0.1 or max(1.0, abs(high) * 0.001)
    bottom, top = low - pad, high + pad
    last = max(vector for vector, _, _ in points)
    ends = {f"{value:,.0f}": value for value in (low, high)}
    left = LETTER * max(map(len, ends)) + 8
    plot_height = height - TOP - BOTTOM

    def x(vector: int) -> float:
        return left + 5 + (WIDTH - left - RIGHT - 5) * vector / (last or 1)

    def y(value: float) -> float:
        return TOP + plot_height * (top - value) / (top - bottom)

    base = height - BOTTOM
    body = [
        f'<line class="axis" x1="{left:.1f}" y1="{TOP}" x2="{left:.1f}" y2="{base}"/>',
        f'<line class="axis" x1="{left:.1f}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}"/>',
    ]
    body += [words(left - 6, y(value) + 4, text, "end") for text, value in ends.items()]
    body.append(words(x(0), base + 16, "0", "middle"))
    if last:
        body.append(words(WIDTH - RIGHT, base + 16, f"{last}", "end"))
    body.append(words((left + WIDTH - RIGHT) / 2, height - 6, "vector", "middle"))
    body += [
        f'<circle class="mark" cx="{x(vector):.1f}" cy="{y(value):.1f}" r="2.5" '
        f'data-vector="{vector}" data-repeat="{repeat}" data-value="{value:.0f}">'
        f"<title>vector {vector}, repeat {repeat}: {value:,.0f} {unit}</title></circle>"
        for vector, repeat, value in points
    ]
    return svg(height, body, label, name)


def bars(entries: Sequence[Bar], name: str, label: str, maximum: float | None = None) -> str:
    """Horizontal bars from zero, label and value above each, so that neither is ever cut."""
    row, thickness = 32, 9
    top = maximum or max(max(entry.value, entry.high or 0) for entry in entries) or 1.0
    scale = WIDTH / top
    body = []
    for position, entry in enumerate(entries):
        y = row * position
        body.append(words(0, y + 14, _short(entry.label)))
        body.append(words(WIDTH, y + 14, entry.text, "end"))
        interval = ""
        if entry.low is not None and entry.high is not None:
            interval = f' data-low="{entry.low!r}" data-high="{entry.high!r}"'
        body.append(
            f'<rect class="track" x="0" y="{y + 19}" width="{WIDTH}" height="{thickness}"/>'
            f'<rect class="bar" x="0" y="{y + 19}" width="{entry.value * scale:.2f}" '
            f'height="{thickness}" data-label="{escape(entry.label)}" '
            f'data-value="{entry.value!r}"{interval}>'
            f"<title>{escape(entry.label)}: {escape(entry.text)}</title></rect>"
        )
        if entry.low is not None and entry.high is not None:
            body.append(_whisker(entry.low * scale, entry.high * scale, y + 19, thickness))
    return svg(row * len(entries), body, label, name)


def _whisker(low: float, high: float, y: float, thickness: float) -> str:
    """An interval: a line with its ends marked."""
    middle = y + thickness / 2
    low, high = max(low, 1.0), min(high, WIDTH - 1.0)
    ends = "".join(f"M{x:.2f} {y}v{thickness}" for x in (low, high))
    return f'<path class="interval" d="M{low:.2f} {middle}H{high:.2f}{ends}"/>'


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], name: str, label: str) -> str:
    """Labels down, predictions across; each cell carries its count.

    Parameters
    ----------
    matrix : ndarray of int64, shape (classes, classes)
        Row = label, column = prediction.
    """
    count = len(classes)
    names = [_short(text, 12) for text in classes]
    name_width = LETTER * max(map(len, names)) + 6
    left = name_width + 16
    cell = min(36.0, (WIDTH - left) / count)
    turned = name_width > cell
    base = 4 + cell * count
    body = []
    for row in range(count):
        total = max(1, int(matrix[row].sum()))
        middle = 4 + cell * (row + 0.5) + 4
        body.append(words(left - 6, middle, names[row], "end"))
        for column in range(count):
            value = int(matrix[row, column])
            body.append(_cell(row, column, value, value / total, left, cell, classes))
            if value and LETTER * len(str(value)) <= cell:
                body.append(words(left + cell * (column + 0.5), middle, str(value), "middle"))
    for column, text in enumerate(names):
        x = left + cell * (column + 0.5)
        body.append(
            words(x + 4, base + 6, text, "end", turned=True)
            if turned
            else words(x, base + 16, text, "middle")
        )
    base += name_width if turned else 16
    body.append(words(left + cell * count / 2, base + 18, "prediction", "middle"))
    body.append(words(12, 4 + cell * count / 2, "label", "middle", turned=True))
    return svg(base + 24, body, label, name)


def _cell(
    row: int,
    column: int,
    value: int,
    share: float,
    left: float,
    cell: float,
    classes: Sequence[str],
) -> str:
    kind = "right" if row == column else "wrong"
    opacity = max(FAINTEST_CELL, FULL_CELL * share) if value else 0
    tooltip = f"{classes[row]} taken for {classes[column]}: {value}"
    return (
        f'<rect class="cell {kind}" x="{left + cell * column:.1f}" y="{4 + cell * row:.1f}" '
        f'width="{cell - 1:.1f}" height="{cell - 1:.1f}" fill-opacity="{opacity:.3f}" '
        f'data-label="{row}" data-prediction="{column}" data-value="{value}">'
        f"<title>{escape(tooltip)}</title></rect>"
    )


def picture(pixels: NDArray[np.uint8], title: str) -> str:
    """A small picture, embedded as PNG; ``pixels`` of shape (height, width, 1 or 3)."""
    data = b64encode(_png(pixels)).decode()
    return f'<img class="picture" alt="{escape(title)}" src="data:image/png;base64,{data}">'


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """The smallest PNG file that holds the pixels (W3C PNG, third edition, section 11)."""
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2}[channels]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
