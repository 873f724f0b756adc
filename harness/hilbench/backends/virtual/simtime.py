"""Simulated time: instructions while the core is busy, the host's clock while it is idle.

Simulated seconds follow the host's monotonic clock at a distance.  A busy core moves them by
``instructions / clock``, whatever the host took for that; the difference is the *excess*.  When
the core goes idle the excess is forgotten, so that idle time is real time; but while bytes are on
their way on the serial line it is kept, so that the line catches up with its absolute schedule and
its rate is the baud rate's even on a loaded host.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: How far a fast core may run ahead of the host's clock while the line is active, in seconds.
MAX_AHEAD_S = 0.005


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
        self._excess_s = 0.0
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

    def end_slice(self, host_s: float) -> None:
        """The core has stopped; the slice took ``host_s`` on the host."""
        end_s = self.now_s
        step_s = end_s - self._base_s
        self._base_s, self._slice = end_s, None
        self._excess_s += host_s * self._factor - step_s

    def going_idle(self, line_active: bool) -> None:
        """The core has nothing to do: forget the excess, unless the line needs it."""
        lag_s = self.target_s() - self.now_s
        if lag_s < 0:
            keep_s = MAX_AHEAD_S if line_active else 0.0
            self._offset_s -= max(0.0, -lag_s - keep_s)
        elif not line_active:
            self._offset_s += min(lag_s, max(self._excess_s, 0.0))
        if not line_active or lag_s < 0:
            self._excess_s = 0.0

    def host_wait_s(self, due_s: float) -> float:
        """Host seconds until simulated ``due_s``; 0 when it is past."""
        return max(0.0, (due_s - self.target_s()) / self._factor)
