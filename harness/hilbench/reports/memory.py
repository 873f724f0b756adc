"""The memory plan as a picture: operators downwards, the arena from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

WIDTH = 64
#: Neighbouring tensors get different marks; scratch and decoded weights always the same ones.
_MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHERS = {"scratch": "s", "decoded weights": "w"}
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")


def memory_picture(image: Any) -> Text:
    """Which bytes of the arena hold what while each operator runs.

    A letter is a place that tensors share in turn, ``s`` scratch, ``w`` decoded weights, ``.``
    nothing; a column is an equal share of the arena, at least one for whatever lies there.
    """
    marks = _marks(image.places)
    per_column = max(1.0, image.arena_bytes / WIDTH)
    bound = image.arena_lower_bound_bytes
    excess = 100 * (image.arena_bytes / bound - 1) if bound else 0.0
    proof = (
        "no plan is smaller" if image.arena_bytes == bound else f"{excess:.1f} % above the bound"
    )
    text = Text(
        f"arena: {image.arena_bytes:,} bytes, {per_column:,.0f} a column; most that lives at once "
        f"{bound:,} ({proof})\n"
    )
    for number, op in enumerate(image.ops):
        steps = [step for step, layer in enumerate(image.layer_of_step) if layer == number]
        row = ["."] * WIDTH
        for place, mark in zip(image.places, marks, strict=True):
            if place.first <= steps[-1] and steps[0] <= place.last:
                first = min(int(place.offset / per_column), WIDTH - 1)
                last = max(first + 1, int((place.offset + place.bytes) / per_column))
                row[first:last] = [mark] * (min(last, WIDTH) - first)
        text.append(f"{number:3} {op.name[:18]:18} ")
        for mark in row:
            text.append(mark, style=_style(mark))
        text.append("\n")
    return text


def _marks(places: Sequence[Any]) -> list[str]:
    letters = 0
    marks = []
    for place in places:
        if place.what in _OTHERS:
            marks.append(_OTHERS[place.what])
        else:
            marks.append(_MARKS[letters % len(_MARKS)])
            letters += 1
    return marks


def _style(mark: str) -> str:
    if mark not in _MARKS:
        return "dim"
    return _COLOURS[_MARKS.index(mark) % len(_COLOURS)]
