"""Input vectors as a reader sees them: pictures, waveforms, or the values of a row."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.reports import plots
from hilbench.store import Bundle

#: Largest input that is drawn as a picture, pixels a side.
PICTURE_SIDE = 96
#: Drawing of a waveform, in its own units, and the most points of one line.
WAVE_WIDTH, WAVE_HEIGHT, WAVE_POINTS = 120, 60, 240
#: Most channels that are drawn as lines of a waveform.
CHANNELS = 12


class VectorDrawer:
    """Draws the vectors of a bundle as they were sent, all on one scale."""

    def __init__(self, bundle: Bundle) -> None:
        self._values: NDArray[np.float64] | None = None
        self._view = bundle.plan["workload"].get("view", "image")
        inputs = bundle.plan["image"]["inputs"]
        array = bundle.array("inputs.npy")
        if len(inputs) != 1 or array is None:
            return
        self._shape = tuple(inputs[0]["shape"])[1:]
        values = np.ascontiguousarray(array).view(inputs[0]["dtype"]).astype(np.float64)
        self._values = values.reshape(len(values), *self._shape)
        self._low, self._high = float(values.min()), float(values.max())

    def draw(self, vector: int) -> str:
        """HTML of one vector; empty when it cannot be drawn."""
        if self._values is None:
            return ""
        values, title = self._values[vector], f"vector {vector}"
        if self._is_picture():
            span = self._high - self._low
            scaled = (values - self._low) * (255 / span if span > 0 else 0.0)
            return plots.picture(np.rint(scaled).astype(np.uint8), title)
        return self._wave(values, title)

    def _is_picture(self) -> bool:
        sides, channels = self._shape[:2], self._shape[-1]
        return (
            self._view == "image"
            and len(self._shape) == 3
            and max(sides) <= PICTURE_SIDE
            and channels in (1, 3)
        )

    def _wave(self, values: NDArray[Any], title: str) -> str:
        """A line per channel; time runs along the longest axis that is no channel."""
        lines = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]
        if len(lines) == 1:  # a row of features: along the row
            lines = lines.T
        step = max(1, len(lines) // WAVE_POINTS)
        lines = lines[::step, :CHANNELS]
        span = self._high - self._low or 1.0
        x = np.linspace(1, WAVE_WIDTH - 1, len(lines))
        y = 2 + (WAVE_HEIGHT - 4) * (self._high - lines) / span
        paths = "".join(
            f'<polyline class="wave wave{channel % 6}" points="'
            + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, column, strict=True))
            + '"/>'
            for channel, column in enumerate(y.T)
        )
        return (
            f'<svg role="img" aria-label="{escape(title)}" class="picture" '
            f'viewBox="0 0 {WAVE_WIDTH} {WAVE_HEIGHT}">{paths}</svg>'
        )
