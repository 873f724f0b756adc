"""A number that carries its origin, and the rule that an emulator yields no seconds or joules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hilbench.errors import HilbenchError
from hilbench.units import REGISTRY, TIME_AND_ENERGY_UNITS


class OriginError(HilbenchError):
    """A metric was built with an origin that it cannot have: a bug, never a user's mistake."""


@dataclass(frozen=True)
class Facts:
    """The two facts that a backend declares (DESIGN invariant 3), and where it executes.

    Attributes
    ----------
    ticks : str
        What the counter counts: ``cycles`` or ``instructions``.
    time_base : str
        ``real`` or ``none``.
    silicon : bool
        Whether the firmware executes on a chip.
    """

    ticks: str
    time_base: str
    silicon: bool

    @property
    def origin(self) -> str:
        """Origin of what this backend executes.

        An emulator that claims to count cycles is a rehearsal of the silicon path: ``synthetic``.
        """
        if self.silicon:
            return "measured"
        return "emulated" if self.ticks == "instructions" else "synthetic"

    def to_json(self) -> dict[str, Any]:
        return {"ticks": self.ticks, "time_base": self.time_base, "silicon": self.silicon}


@dataclass(frozen=True)
class Metric:
    """One figure of a run.

    Parameters
    ----------
    key : str
        A key of :data:`hilbench.units.REGISTRY`.
    value : float
        In the registry's unit.
    origin : str
        One of the registry's origins for the key.
    n : int
        Number of samples behind it, at least 1.
    low, high : float or None
        Interval (95 % unless the report says otherwise); both None when there is none to state.
    facts : Facts
        Of the backend that the figure comes from.

    Raises
    ------
    OriginError
        When the origin is not allowed for the key, or when time or energy of the board is claimed
        as measured or emulated although the ticks are instructions or time is not real.
    """

    key: str
    value: float
    origin: str
    n: int
    facts: Facts
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        spec = REGISTRY.get(self.key)
        if spec is None:
            raise OriginError(f"unknown metric {self.key!r}")
        if self.origin not in spec.origins:
            raise OriginError(f"{self.key}: origin {self.origin!r} is not one of {spec.origins}")
        executed = self.origin in ("measured", "emulated")
        if executed and (self.origin == "measured") != self.facts.silicon:
            raise OriginError(f"{self.key}: {self.origin!r}, but silicon = {self.facts.silicon}")
        no_time = self.facts.ticks != "cycles" or self.facts.time_base != "real"
        if executed and spec.unit in TIME_AND_ENERGY_UNITS and no_time:
            raise OriginError(
                f"{self.key}: this backend counts {self.facts.ticks} with time base "
                f"{self.facts.time_base}; it cannot give {spec.unit}"
            )
        if not math.isfinite(self.value) or not spec.low <= self.value <= spec.high:
            raise OriginError(f"{self.key}: {self.value} is out of range")
        if self.n < 1 or (self.low is None) != (self.high is None):
            raise OriginError(f"{self.key}: n = {self.n}, interval {self.low} to {self.high}")

    @property
    def unit(self) -> str:
        return REGISTRY[self.key].unit

    def to_json(self) -> dict[str, Any]:
        """``{value, unit, origin, n, low, high}`` as `run --json` and bundles have it."""
        return {
            "value": self.value,
            "unit": self.unit,
            "origin": self.origin,
            "n": self.n,
            "low": self.low,
            "high": self.high,
        }
