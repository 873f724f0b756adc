"""What every energy instrument is to the rest: one interface, and the records it yields.

A sample with index ``k`` covers the time from ``k / rate_hz`` to ``(k + 1) / rate_hz`` of the
instrument's own clock.  Indices are monotonic and never renumbered: a lost sample keeps its index,
with NaN as its current and :data:`LOST` among its flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Flags of a sample.
LOST = 1  #: never arrived; its current is NaN
SATURATED = 2  #: at the end of the instrument's range: the true current may be larger
RANGE_SWITCH = 4  #: taken while the instrument settled in another range
CORRUPT = 8  #: arrived, but cannot be a sample; its current is NaN

Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Capabilities:
    """What an instrument can do, as its maker states it.

    Attributes
    ----------
    name : str
    rates_hz : tuple of float
        Sampling rates, ascending; for a continuous choice its ends.  Empty for a file.
    current_range_a, voltage_range_v : (low, high) of float, or None
        None where no source states it.
    gain_error : float or None
        Largest error of a reading as a part of it (0.02 is 2 %).  None: no source states it, and
        an interval built from such readings leaves calibration out and says so.
    offset_error_a : float
        Largest constant error.
    measures_voltage : bool
        Whether the voltage is sampled; otherwise it is the set-point, or unknown.
    digital_lines : int
        Inputs sampled together with the current, or whose edges are reported as marks: the DUT's
        GPIO is seen when at least 1.
    source : str
        Where these figures are stated.
    tried_on_hardware : bool
        Whether this driver was ever run with the real instrument.
    """

    name: str
    rates_hz: tuple[float, ...]
    current_range_a: tuple[float, float] | None
    voltage_range_v: tuple[float, float] | None
    gain_error: float | None
    offset_error_a: float
    measures_voltage: bool
    digital_lines: int
    source: str
    tried_on_hardware: bool = False

    @property
    def sees_gpio(self) -> bool:
        return self.digital_lines > 0


@dataclass(frozen=True)
class Setup:
    """What a measurement asks of an instrument.

    Attributes
    ----------
    voltage_v : float
        Supply of the DUT: the set-point as a source; in ampere mode what the user measured.
    source : bool
        Whether the instrument feeds the DUT; otherwise it is an ampere meter in its supply line.
    rate_hz : float or None
        None: the instrument's highest.
    """

    voltage_v: float
    source: bool = True
    rate_hz: float | None = None


@dataclass(frozen=True)
class Mark:
    """An edge that the instrument itself reports (not a sampled line).

    Attributes
    ----------
    index : float
        Sample index at which it happened.
    line : str
    rising : bool
    """

    index: float
    line: str
    rising: bool


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive samples; ``n`` of them, 0 or more.

    Attributes
    ----------
    first_index : int
        Index of the first sample.  Larger than the previous block's end when samples were lost.
    current_a : ndarray of float, shape (n,)
        NaN where lost or corrupt.
    flags : ndarray of uint8, shape (n,)
        :data:`LOST`, :data:`SATURATED`, :data:`RANGE_SWITCH`, :data:`CORRUPT`.
    digital : ndarray of uint8, shape (n,), or None
        One bit per line; a lost sample repeats the last that arrived.
    voltage_v : ndarray of float, shape (n,), or None
        None where the instrument does not measure it.
    """

    first_index: int
    current_a: Floats
    flags: NDArray[np.uint8]
    digital: NDArray[np.uint8] | None = None
    voltage_v: Floats | None = None

    def __len__(self) -> int:
        return len(self.current_a)


@dataclass(frozen=True, eq=False)
class Recording:
    """A whole trace.

    Attributes
    ----------
    rate_hz : float
        Of the instrument's clock, as the instrument states it.
    values : ndarray of float, shape (n,)
        Current in A, or power in W (``quantity``); NaN where nothing is known.
    flags : ndarray of uint8, shape (n,)
    instrument : Capabilities
    origin : str
        ``measured``, or ``synthetic`` when it came through a simulated instrument.
    quantity : str
        ``current`` or ``power``.
    supply_v : float or None
        Constant voltage where none was sampled; needed to turn a current into power.
    voltage_v : ndarray of float, shape (n,), or None
    digital : ndarray of uint8, shape (n,), or None
    marks : tuple of Mark
    elapsed_s : float or None
        Duration by the host's clock, from the first block to the last; None for a file.
    notes : tuple of str
        What the driver saw and did not hide (calibration defaulted, framing slips).
    """

    rate_hz: float
    values: Floats
    flags: NDArray[np.uint8]
    instrument: Capabilities
    origin: str
    quantity: str = "current"
    supply_v: float | None = None
    voltage_v: Floats | None = None
    digital: NDArray[np.uint8] | None = None
    marks: tuple[Mark, ...] = ()
    elapsed_s: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.origin not in ("measured", "synthetic"):
            raise ValueError(f"origin {self.origin!r}")
        if self.quantity not in ("current", "power"):
            raise ValueError(f"quantity {self.quantity!r}")
        for name in ("flags", "voltage_v", "digital"):
            array = getattr(self, name)
            if array is not None and len(array) != len(self.values):
                raise ValueError(f"{name}: {len(array)} samples of {len(self.values)}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def duration_s(self) -> float:
        return len(self.values) / self.rate_hz

    def power_w(self, start: int, stop: int) -> NDArray[np.float64]:
        """Power of the samples ``start`` to ``stop`` (exclusive), W; NaN where unknown.

        Raises
        ------
        ValueError
            When the trace is of current and no voltage is known.
        """
        values = np.asarray(self.values[start:stop], np.float64)
        if self.quantity == "power":
            return values
        if self.voltage_v is not None:
            return values * np.asarray(self.voltage_v[start:stop], np.float64)
        if self.supply_v is None:
            raise ValueError("a trace of current needs the supply voltage to give power")
        return values * self.supply_v

    def lost_samples(self, start: int = 0, stop: int | None = None) -> int:
        """Samples that are lost or corrupt among ``start`` to ``stop`` (exclusive)."""
        return int(np.count_nonzero(self.flags[start:stop] & (LOST | CORRUPT)))


class Instrument(Protocol):
    """An energy instrument, from opening to closing; each step has a deadline.

    The order is ``configure``, ``arm``, ``stream`` (to its end), ``marks``, ``close``.  ``close``
    may come at any time and never raises; after it the DUT is without power from the instrument.
    """

    capabilities: Capabilities
    rate_hz: float

    def configure(self, setup: Setup) -> None:
        """Set voltage, mode and rate.  Raises UsageError where the instrument cannot do it."""

    def arm(self) -> None:
        """Power the DUT and get ready: after this :meth:`stream` starts without delay."""

    def stream(self, stop: Callable[[], bool]) -> Iterator[Block]:
        """Blocks until ``stop()`` is true.  Raises InstrumentLost when the instrument is gone."""

    def marks(self) -> tuple[Mark, ...]:
        """Edges that the instrument reported itself during the stream."""

    def notes(self) -> tuple[str, ...]:
        """What was noticed and should be told with the result."""

    def close(self) -> None:
        """Stop, cut the DUT's power, release the port."""


@dataclass
class Collector:
    """Joins blocks into arrays; indices that no block covers become lost samples."""

    _blocks: list[Block] = field(default_factory=list)
    _next: int = 0

    def add(self, block: Block) -> None:
        """Append a block; raises ValueError when its index goes back."""
        if block.first_index < self._next:
            raise ValueError(f"block at {block.first_index}, but {self._next} was reached")
        if len(block):
            self._blocks.append(block)
            self._next = block.first_index + len(block)

    def __len__(self) -> int:
        return self._next

    def build(
        self,
        *,
        rate_hz: float,
        instrument: Capabilities,
        origin: str,
        supply_v: float | None = None,
        marks: Iterable[Mark] = (),
        elapsed_s: float | None = None,
        notes: Iterable[str] = (),
    ) -> Recording:
        """The recording of all blocks; index 0 is its first sample."""
        n = self._next
        current = np.full(n, np.nan, np.float32)
        flags = np.full(n, LOST, np.uint8)
        has_digital = any(b.digital is not None for b in self._blocks)
        has_voltage = any(b.voltage_v is not None for b in self._blocks)
        digital = np.zeros(n, np.uint8) if has_digital else None
        voltage = np.full(n, np.nan, np.float32) if has_voltage else None
        last = 0
        for block in self._blocks:
            span = slice(block.first_index, block.first_index + len(block))
            current[span], flags[span] = block.current_a, block.flags
            if digital is not None and block.digital is not None:
                if last < span.start and last:
                    digital[last : span.start] = digital[last - 1]
                digital[span] = block.digital
            if voltage is not None and block.voltage_v is not None:
                voltage[span] = block.voltage_v
            last = span.stop
        return Recording(
            rate_hz=rate_hz,
            values=current,
            flags=flags,
            instrument=instrument,
            origin=origin,
            supply_v=supply_v,
            voltage_v=voltage,
            digital=digital,
            marks=tuple(marks),
            elapsed_s=elapsed_s,
            notes=tuple(notes),
        )
