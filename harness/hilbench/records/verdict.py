"""Can the run be trusted: valid, degraded (usable, reasons listed) or invalid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LEVELS = ("valid", "degraded", "invalid")


@dataclass(frozen=True)
class Verdict:
    """Outcome of a run's own checks.

    Attributes
    ----------
    status : str
        ``valid``, ``degraded`` or ``invalid``.
    reasons : tuple of str
        Why it is not valid; empty when it is.
    checks : tuple of (str, str)
        Every check that was made, with what it saw; a check that does not apply says so.
    """

    status: str
    reasons: tuple[str, ...]
    checks: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "reasons": list(self.reasons),
            "checks": [{"name": name, "seen": seen} for name, seen in self.checks],
        }


@dataclass
class VerdictBuilder:
    """Collects checks while a run goes on."""

    _level: int = 0
    _reasons: list[str] = field(default_factory=list)
    _checks: list[tuple[str, str]] = field(default_factory=list)

    def check(self, name: str, seen: str) -> None:
        """Note a check that passed, or that does not apply."""
        self._checks.append((name, seen))

    def fail(self, level: str, name: str, reason: str) -> None:
        """Note a check that failed, at ``degraded`` or ``invalid``."""
        self._level = max(self._level, LEVELS.index(level))
        self._checks.append((name, reason))
        self._reasons.append(f"{name}: {reason}")

    def build(self) -> Verdict:
        return Verdict(LEVELS[self._level], tuple(self._reasons), tuple(self._checks))
