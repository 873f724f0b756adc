"""Where the windows are in a trace: edges of a digital line, matched to the device's own ticks.

Sample ``k`` covers ``[k, k + 1)`` in units of samples.  A line that was low at sample ``k - 1`` and
high at ``k`` rose half a sample around ``k``: the position ``k`` has a uniform error of half a
sample either way, a standard uncertainty of ``1 / sqrt(12)`` samples.  These errors can be the same
for all edges (windows in step with the samples), so fitting does not diminish them here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import AlignmentError
from hilbench.instruments.base import CORRUPT, LOST, Recording

#: Standard uncertainty of an edge seen in samples, in samples.
EDGE_UNCERTAINTY = 1 / math.sqrt(12)
#: Largest difference of the two clocks before edges count as not matching; an RC oscillator of a
#: microcontroller is within 1 %, and an instrument's crystal far better.
CLOCK_TOLERANCE = 0.02
#: Largest distance of an edge from where the fit expects it, in samples, beside its uncertainty.
RESIDUAL_SAMPLES = 2.0
#: More edges than this beyond the device's are noise on the line, not glitches.
MAX_SPURIOUS = 20


@dataclass(frozen=True)
class Edge:
    """A change of a digital line.

    Attributes
    ----------
    index : float
        Position in samples.
    rising : bool
    uncertainty : float
        Standard uncertainty of the position, in samples.
    """

    index: float
    rising: bool
    uncertainty: float = EDGE_UNCERTAINTY


@dataclass(frozen=True)
class DeviceMark:
    """An edge as the device counted it: ticks of its own counter since any origin."""

    ticks: int
    rising: bool


@dataclass(frozen=True)
class Window:
    """A span of the trace in samples, with the standard uncertainty of its ends."""

    start: float
    stop: float
    uncertainty: float = EDGE_UNCERTAINTY

    @property
    def samples(self) -> float:
        return self.stop - self.start


@dataclass(frozen=True)
class Alignment:
    """Windows that both sides agree on.

    Attributes
    ----------
    windows : tuple of Window
    clock_ratio : float or None
        Instrument's seconds per device's second; None without device marks or with one edge.
    residual_samples : float
        Root mean square of the edges' distance from the fit.
    spurious : tuple of float
        Positions of edges that the device did not make.
    """

    windows: tuple[Window, ...]
    clock_ratio: float | None
    residual_samples: float
    spurious: tuple[float, ...]


def line_edges(recording: Recording, line: int) -> tuple[Edge, ...]:
    """Edges of a sampled line; one that fell into lost samples is placed in their middle.

    Raises
    ------
    AlignmentError
        When the instrument does not see the line.
    """
    if recording.digital is None or not 0 <= line < 8:
        raise AlignmentError(
            f"{recording.instrument.name}: no digital line {line} in this recording",
            hint="connect the board's mark pin to the instrument, or give the marks in a file",
        )
    levels = recording.digital >> line & 1
    unknown = recording.flags & (LOST | CORRUPT) != 0
    edges = []
    for k in (np.flatnonzero(levels[1:] != levels[:-1]) + 1).tolist():
        gap = 0
        while gap < k and unknown[k - 1 - gap]:
            gap += 1
        width = (gap + 1) * EDGE_UNCERTAINTY
        edges.append(Edge(k - gap / 2, bool(levels[k]), width))
    return tuple(edges)


def marked_edges(recording: Recording, line: str) -> tuple[Edge, ...]:
    """Edges that the instrument reported as marks of ``line``."""
    return tuple(Edge(m.index, m.rising) for m in recording.marks if m.line == line)


def pair_windows(edges: Sequence[Edge], *, active_high: bool = True) -> tuple[Window, ...]:
    """Windows from edges alone: each opening edge with the closing one after it.

    Raises
    ------
    AlignmentError
        When the edges do not alternate, or a window is open at either end of the trace.
    """
    if not edges or len(edges) % 2:
        raise AlignmentError(f"{len(edges)} edges do not make whole windows")
    windows = []
    for number, (first, last) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        if first.rising != active_high or last.rising == active_high:
            raise AlignmentError(f"window {number}: its edges do not open and close it")
        spread = max(first.uncertainty, last.uncertainty)
        windows.append(Window(first.index, last.index, spread))
    return tuple(windows)


def align(
    edges: Sequence[Edge],
    marks: Sequence[DeviceMark],
    *,
    tick_hz: float,
    rate_hz: float,
    active_high: bool = True,
) -> Alignment:
    """Match the instrument's edges to the device's, and place the windows by a common clock.

    Parameters
    ----------
    edges : sequence of Edge
        Ascending; may have a few more than the device made (glitches), never fewer.
    marks : sequence of DeviceMark
        Ascending ticks: opening and closing edge of each window.
    tick_hz : float
        Nominal rate of the device's counter.
    rate_hz : float
        Of the instrument.

    Raises
    ------
    AlignmentError
        When edges are missing, when no placement fits within the clocks' tolerance (2 %), or when
        more than one fits: then nobody can say which edges are the windows'.
    """
    if len(marks) < 2 or len(marks) % 2:
        raise AlignmentError(f"the device reported {len(marks)} edges: not whole windows")
    if any(b.ticks <= a.ticks for a, b in itertools.pairwise(marks)):
        raise AlignmentError("the device's ticks do not ascend")
    extra = len(edges) - len(marks)
    if extra < 0:
        raise AlignmentError(
            f"the device made {len(marks)} edges, the instrument saw {len(edges)}",
            hint="check the wire from the mark pin to the instrument, and its common ground",
        )
    if extra > MAX_SPURIOUS:
        raise AlignmentError(f"{extra} edges more than the device's {len(marks)}: a noisy line")
    fits = _placements(edges, marks, rate_hz / tick_hz)
    if len(fits) != 1:
        what = "no placement fits" if not fits else f"{len(fits)} placements fit equally well"
        raise AlignmentError(
            f"{len(edges)} edges of the instrument, {len(marks)} of the device: {what}",
            hint="a glitch on the mark line, or a device clock that is not what was set",
        )
    chosen = [edges[k] for k in fits[0]]
    where, slope, residual = _fit(chosen, marks)
    spread = max(residual, *(e.uncertainty for e in chosen))
    placed = [Edge(float(p), e.rising, spread) for p, e in zip(where, chosen, strict=True)]
    taken = set(fits[0])
    return Alignment(
        windows=pair_windows(placed, active_high=active_high),
        clock_ratio=slope * tick_hz / rate_hz,
        residual_samples=residual,
        spurious=tuple(e.index for k, e in enumerate(edges) if k not in taken),
    )


def _placements(
    edges: Sequence[Edge], marks: Sequence[DeviceMark], samples_per_tick: float
) -> list[tuple[int, ...]]:
    """Every way to give each mark an edge of its direction, within the clocks' tolerance."""
    extra = len(edges) - len(marks)
    ticks = np.array([m.ticks - marks[0].ticks for m in marks], np.float64)
    found: set[tuple[int, ...]] = set()
    for first in range(extra + 1):
        for last in range(len(edges) - 1 - (extra - first), len(edges)):
            slope = (edges[last].index - edges[first].index) / ticks[-1]
            if abs(slope / samples_per_tick - 1) > CLOCK_TOLERANCE:
                continue
            expected = edges[first].index + slope * ticks
            choice = _nearest(edges, marks, expected)
            if choice is not None:
                found.add(choice)
    return sorted(found)


def _nearest(
    edges: Sequence[Edge], marks: Sequence[DeviceMark], expected: NDArray[np.float64]
) -> tuple[int, ...] | None:
    choice: list[int] = []
    position = np.array([e.index for e in edges])
    for mark, place in zip(marks, expected.tolist(), strict=True):
        distance = np.abs(position - place)
        distance[[e.rising != mark.rising for e in edges]] = np.inf
        k = int(np.argmin(distance))
        if distance[k] > RESIDUAL_SAMPLES + 4 * edges[k].uncertainty:
            return None
        choice.append(k)
    return tuple(choice) if all(a < b for a, b in itertools.pairwise(choice)) else None


def _fit(
    edges: Sequence[Edge], marks: Sequence[DeviceMark]
) -> tuple[NDArray[np.float64], float, float]:
    """Fitted positions, samples per tick, and the residuals' standard deviation."""
    ticks = np.array([m.ticks - marks[0].ticks for m in marks], np.float64)
    index = np.array([e.index for e in edges])
    weight = 1 / np.array([e.uncertainty for e in edges])
    design = np.stack((np.ones_like(ticks), ticks / ticks[-1]), axis=1)
    solution = np.linalg.lstsq(design * weight[:, None], index * weight, rcond=None)[0]
    fitted = design @ solution
    freedom = len(marks) - 2
    residual = float(np.sqrt(np.sum((index - fitted) ** 2) / freedom)) if freedom else 0.0
    return fitted, float(solution[1] / ticks[-1]), residual
