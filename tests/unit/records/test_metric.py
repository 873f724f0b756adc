"""An emulator never yields seconds, watts or joules, and no number is without its origin."""

from __future__ import annotations

import pytest

from hilbench.records import Facts, Metric
from hilbench.records.metric import OriginError
from hilbench.units import REGISTRY, TIME_AND_ENERGY_UNITS

SILICON = Facts("cycles", "real", True)
VIRTUAL = Facts("instructions", "real", False)
QEMU = Facts("instructions", "none", False)
REHEARSAL = Facts("cycles", "real", False)


def test_origin_follows_from_the_declared_facts() -> None:
    assert [f.origin for f in (SILICON, VIRTUAL, QEMU, REHEARSAL)] == [
        "measured",
        "emulated",
        "emulated",
        "synthetic",
    ]


@pytest.mark.parametrize("facts", [VIRTUAL, QEMU, REHEARSAL])
@pytest.mark.parametrize("origin", ["measured", "emulated"])
@pytest.mark.parametrize("key", [k for k, s in REGISTRY.items() if s.unit in TIME_AND_ENERGY_UNITS])
def test_no_time_from_an_emulator(facts: Facts, origin: str, key: str) -> None:
    with pytest.raises(OriginError):
        Metric(key, 1.0, origin, 1, facts)


def test_estimated_and_synthetic_are_the_only_ways() -> None:
    assert Metric("latency_s", 0.1, "estimated", 1, VIRTUAL).unit == "s"
    assert Metric("latency_s", 0.1, "synthetic", 1, REHEARSAL).origin == "synthetic"
    assert Metric("latency_s", 0.1, "measured", 1, SILICON).origin == "measured"


@pytest.mark.parametrize(
    ("key", "value", "origin", "n"),
    [
        ("unknown_key", 1.0, "measured", 1),
        ("top1", 1.2, "measured", 1),
        ("top1", float("nan"), "measured", 1),
        ("top1", 0.5, "static", 1),
        ("top1", 0.5, "emulated", 1),
        ("top1", 0.5, "measured", 0),
        ("instructions_per_inference", 5.0, "measured", 1),
    ],
)
def test_refusals(key: str, value: float, origin: str, n: int) -> None:
    with pytest.raises(OriginError):
        Metric(key, value, origin, n, SILICON)


def test_half_an_interval_is_none() -> None:
    with pytest.raises(OriginError):
        Metric("top1", 0.5, "measured", 10, SILICON, low=0.4)
