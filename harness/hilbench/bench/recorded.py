"""A journal's events, sorted by kind."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hilbench.errors import BundleError
from hilbench.records import Sample, Window


@dataclass
class Recorded:
    """What a journal holds, sorted by kind; incomplete vectors of performance mode are left out."""

    samples: dict[int, Sample] = field(default_factory=dict)
    windows: dict[tuple[int, int], Window] = field(default_factory=dict)
    overhead_ticks: list[int] = field(default_factory=list)
    weighted: dict[tuple[int, int], int] = field(default_factory=dict)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    link_trials: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    interruptions: int = 0

    def done(self, plan: dict[str, Any]) -> dict[str, int]:
        """Mode -> vectors complete, counted from the first one."""
        return {
            "accuracy": _complete(v in self.samples for v in range(plan["workload"]["vectors"])),
            "performance": _complete(
                all((v, k) in self.windows for k in range(plan["repeat"]))
                for v in range(plan["performance_vectors"])
            ),
        }


def _complete(flags: Any) -> int:
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count


def read_events(events: Sequence[dict[str, Any]]) -> Recorded:
    """Sort a journal; a vector that was measured again after an interruption counts once.

    Raises
    ------
    BundleError
        For an event that lacks a field.
    """
    recorded = Recorded()
    for event in events:
        try:
            _sort(recorded, event)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"the journal has an event that is none: {event}", hint="it was altered"
            ) from error
    return recorded


def _sort(recorded: Recorded, event: dict[str, Any]) -> None:
    kind = event["event"]
    if kind == "sample":
        sample = Sample(event["v"], base64.b64decode(event["out"]), event["r"])
        recorded.samples[sample.vector] = sample
    elif kind == "window":
        window = Window(
            event["v"], event["k"], event["ticks"], event["irq"], base64.b64decode(event["out"])
        )
        recorded.windows[window.vector, window.repeat] = window
    elif kind == "overhead":
        recorded.overhead_ticks.append(event["ticks"])
    elif kind == "weighted":
        overhead = recorded.events["weighted_overhead"]["ticks"]
        recorded.weighted[event["v"], event["k"]] = event["ticks"] - overhead
    elif kind == "transfer":
        recorded.transfers.append(event)
    elif kind == "link_trial":
        recorded.link_trials.append(event)
    elif kind == "link":  # one of each link that was opened: what it counted adds up
        before = recorded.events.get("link", {})
        sums = {k: before.get(k, 0) + n for k, n in event.items() if isinstance(n, int)}
        recorded.events["link"] = {**event, **sums}
    elif kind == "counters":
        recorded.events[kind] = _counters(recorded.events.get(kind, {}), event)
    elif kind in ("interrupted", "error"):
        recorded.interruptions += 1
    else:
        recorded.events[kind] = event


def _counters(before: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Device counters over several visits: high-water marks are the highest, the rest adds up."""
    merged = dict(event)
    for name, value in event.items():
        if not isinstance(value, int) or name not in before:
            continue
        if name in ("stack_bytes", "arena_bytes"):
            merged[name] = max(before[name], value)
        elif name != "stack_capacity":
            merged[name] = before[name] + value
    return merged
