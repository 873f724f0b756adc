"""Verdicts from journals: what must make a run degraded or invalid."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from hilbench.bench.results import compute
from hilbench.errors import BundleError

OUTPUT = base64.b64encode(bytes([0, 9, 1])).decode()
WRONG = base64.b64encode(bytes([9, 0, 1])).decode()


def plan(ticks: str = "instructions", silicon: bool = False, repeat: int = 1) -> dict[str, Any]:
    return {
        "facts": {"ticks": ticks, "time_base": "real", "silicon": silicon},
        "ticks_to_instructions": [1, 1] if ticks == "instructions" else None,
        "modes": ["accuracy", "performance"],
        "workload": {"vectors": 2},
        "performance_vectors": 2,
        "repeat": repeat,
        "warmup": 1,
        "quality_target": 0.5,
        "engine_flash_bytes": 100,
        "image": {
            "arena_bytes": 64,
            "bytes": 128,
            "output_dtype": "int8",
            "output_elements": 3,
            "ops": [{"name": "CONV_2D"}],
        },
    }


def journal(**changes: Any) -> list[dict[str, Any]]:
    hello = {
        "counter_kind": 1,
        "counter_bits": 32,
        "counter_hz": 216_000_000,
        "core_clock_hz": 216_000_000,
        "vector_buffer_bytes": 16,
    }
    counters = {"stack_bytes": 10, "stack_capacity": 20, "arena_bytes": 64}
    errors = {"crc_errors": 0, "cobs_errors": 0, "overruns": 0, "line_errors": 0}
    window = {"event": "window", "k": 0, "ticks": 1010, "irq": 0, "out": OUTPUT}
    events = {
        "attested": {"event": "attested", "hello": hello},
        "clock": {"event": "clock_check", "applicable": False},
        "sample0": {"event": "sample", "v": 0, "out": OUTPUT, "r": 0},
        "sample1": {"event": "sample", "v": 1, "out": OUTPUT, "r": 0},
        "overhead": {"event": "overhead", "ticks": 10},
        "window0": {**window, "v": 0},
        "window1": {**window, "v": 1},
        "transfer": {
            "event": "transfer",
            "mode": "performance",
            "goodput_Bps": 5.0,
            "longest_window_s": 1.0,
        },
        "counters": {"event": "counters", **counters, **errors},
        "link": {"event": "link", "retransmissions": 0, "crc_errors": 0, "cobs_errors": 0},
        "measured": {"event": "measured"},
    }
    for name, change in changes.items():
        if change is None:
            del events[name]
        else:
            events[name] = {**events[name], **change}
    return list(events.values())


def results(events: list[dict[str, Any]], **options: Any) -> Any:
    expected = np.frombuffer(base64.b64decode(OUTPUT) * 2, np.int8).reshape(2, 3)
    return compute(plan(**options), events, expected, np.array([1, 1]))


def test_a_clean_run_is_valid() -> None:
    outcome = results(journal())
    assert (outcome.verdict.status, outcome.verdict.reasons) == ("valid", ())
    assert outcome.metrics["instructions_per_inference"].value == 1000
    assert outcome.metrics["top1"].value == 1.0


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"sample1": {"out": WRONG}}, "invalid", "outputs: only 3 of 4 outputs equal"),
        ({"window1": {"out": WRONG}}, "invalid", "outputs: only 3 of 4 outputs equal"),
        ({"window1": {"irq": 2}}, "degraded", "windows: 1 of 2 were interrupted"),
        ({"window1": {"ticks": 10}}, "invalid", "counter: it does not advance"),
        ({"counters": {"arena_bytes": 65}}, "invalid", "arena: 65 bytes touched, 64 planned"),
    ],
)
def test_what_spoils_a_run_is_named(changes: dict[str, Any], status: str, reason: str) -> None:
    verdict = results(journal(**changes)).verdict
    assert verdict.status == status
    assert any(reason in text for text in verdict.reasons), verdict.reasons


def test_repeats_of_an_emulator_are_one_sample() -> None:
    """And when they differ, the emulator is not what it claims."""
    window = {"event": "window", "k": 1, "irq": 0, "out": OUTPUT}
    last = {**window, "v": 1, "ticks": 1010}
    events = journal()
    same = results([*events, {**window, "v": 0, "ticks": 1010}, last], repeat=2)
    assert same.metrics["instructions_per_inference"].n == 2
    other = results([*events, {**window, "v": 0, "ticks": 1011}, last], repeat=2)
    assert other.verdict.status == "degraded"
    assert "1 vectors gave different counts" in other.verdict.reasons[0]


def _weighted(vectors: int) -> list[dict[str, Any]]:
    empty = {"event": "weighted_overhead", "ticks": 12}
    return [empty, *({"event": "weighted", "v": v, "k": 0, "ticks": 1512} for v in range(vectors))]


def test_weighted_counts_are_a_metric_when_every_window_has_one() -> None:
    assert "weighted_instructions_per_inference" not in results(journal()).metrics
    outcome = results([*journal()[:-1], *_weighted(2), journal()[-1]])
    metric = outcome.metrics["weighted_instructions_per_inference"]
    assert (metric.value, metric.n, metric.origin) == (1500, 2, "emulated")
    assert outcome.metrics["instructions_per_inference"].value == 1000


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (_weighted(1), "1 of 2 windows are not in the emulator's log (interrupted)"),
        (
            [{"event": "weighted_not_joined", "reason": "4 logged"}],
            "2 of 2 windows are not in the emulator's log (4 logged)",
        ),
    ],
)
def test_weighted_counts_that_lack_windows_are_none(
    events: list[dict[str, Any]], reason: str
) -> None:
    outcome = results([*journal()[:-1], *events, journal()[-1]])
    assert "weighted_instructions_per_inference" not in outcome.metrics
    assert outcome.verdict.status == "valid"
    assert any(reason in str(check) for check in outcome.verdict.checks), outcome.verdict.checks


def test_a_counter_that_may_have_wrapped_is_invalid() -> None:
    long = {"longest_window_s": 2 * 19.9}  # one warm-up, one repeat
    enough = {"longest_window_s": 19.9}
    assert results(journal(transfer=enough), ticks="cycles").verdict.status == "valid"
    verdict = results(journal(transfer=long), ticks="cycles").verdict
    assert verdict.status == "invalid"
    assert "wraps after 19.9 s" in verdict.reasons[0]
    assert results(journal(transfer=long)).verdict.status == "valid", "instructions have no time"


def test_an_unfinished_journal_gives_no_results() -> None:
    with pytest.raises(BundleError, match="not complete"):
        results(journal(measured=None))


def test_a_vector_measured_twice_counts_once() -> None:
    again = [*journal()[:-1], {"event": "sample", "v": 1, "out": OUTPUT, "r": 0}, journal()[-1]]
    assert results(again).metrics["top1"].n == 2


@pytest.mark.parametrize(
    "change",
    [{"sample1": None}, {"sample1": {"v": 0}}, {"sample1": {"v": 2}}, {"window1": {"k": 1}}],
)
def test_a_journal_that_lost_or_gained_a_line_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="claims a whole run"):
        results(journal(**change))


@pytest.mark.parametrize("event", [{"event": "sample", "v": 0}, {}, {"event": "overhead"}])
def test_an_event_that_lacks_a_field_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="an event that is none"):
        results([*journal(), event])


def test_retransmissions_before_an_interruption_are_not_forgotten() -> None:
    before = {"event": "link", "retransmissions": 3, "crc_errors": 2, "cobs_errors": 0}
    outcome = results([before, *journal()])
    assert outcome.metrics["link_retransmissions"].value == 3
    assert ("link", "all frames recovered; host_crc_errors 2") in outcome.verdict.checks
