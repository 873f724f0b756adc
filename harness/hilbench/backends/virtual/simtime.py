"""Simulated time: instructions while the core is busy, the host's clock while it is idle.

Simulated seconds follow the host's monotonic clock at a distance.  A busy core moves them by
``instructions / clock``, whatever the host took for that.  An idle core lets them catch up with the
host's clock at once, event by event, so that idle time is real time and the serial line keeps its
absolute schedule on a loaded host.  What is too much to make up for, after a long computation that
the host emulates slowly (or faster than the real core), is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: How far an idle core may be ahead of the host's clock, or behind it with bytes on the line and
#: without, in seconds; more is forgotten.
MAX_AHEAD_S, MAX_BEHIND_LINE_S, MAX_BEHIND_S = 0.005, 0.5, 0.1


class SimTime:
    """Seconds since the board got power.

    Parameters
    ----------
    factor : float
        Simulated seconds per host second; 0.9 models a crystal that is 10 % slow.  It scales
        everything that is timed in simulated seconds, the line's schedule included, but not the
        baud rate that the divider gives: the link works and the clock check sees it.
    host_clock : callable
        ``time.monotonic``, or a fake for tests.
    """

    def __init__(
        self, factor: float = 1.0, host_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host_clock
        self._factor = factor
        self._offset_s = host_clock() * factor
        self._base_s = 0.0
        self._slice: tuple[Callable[[], int], int, float] | None = None

    @property
    def now_s(self) -> float:
        """Simulated seconds since power-on, also in the middle of a slice."""
        if self._slice is None:
            return self._base_s
        instructions, start, clock_hz = self._slice
        return self._base_s + (instructions() - start) / clock_hz

    def move_to(self, moment_s: float) -> None:
        """Idle time has passed."""
        self._base_s = moment_s

    def begin_slice(self, instructions: Callable[[], int], clock_hz: float) -> None:
        """The core starts to execute; ``instructions()`` counts what it has executed."""
        self._slice = (instructions, instructions(), clock_hz)

    def target_s(self) -> float:
        """Where simulated time would be, had it never waited for a busy core."""
        return self._host() * self._factor - self._offset_s

    def end_slice(self) -> None:
        """The core has stopped."""
        self._base_s, self._slice = self.now_s, None

    def going_idle(self, line_active: bool) -> None:
        """The core has nothing to do: forget what is too much to make up for."""
        lag_s = self.target_s() - self._base_s
        most_s = MAX_BEHIND_LINE_S if line_active else MAX_BEHIND_S
        if lag_s > most_s:
            self._offset_s += lag_s - most_s
        elif -lag_s > MAX_AHEAD_S:
            self._offset_s += lag_s + MAX_AHEAD_S

    def host_wait_s(self, due_s: float) -> float:
        """Host seconds until simulated ``due_s``; 0 when it is past."""
        return max(0.0, (due_s - self.target_s()) / self._factor)
