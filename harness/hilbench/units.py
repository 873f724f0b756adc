"""The metric registry: for each key its unit, its possible origins, and how it is shown.

A metric that is not listed here cannot be built (see :class:`hilbench.records.Metric`).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Where a figure may come from (DESIGN section 2).
ORIGINS = ("measured", "emulated", "estimated", "static", "host", "synthetic")

#: Units of board time and energy: never `measured` or `emulated` from an emulator.
TIME_AND_ENERGY_UNITS = frozenset({"s", "Hz", "1/s", "J", "W"})


@dataclass(frozen=True)
class MetricSpec:
    """What a metric key means.

    Attributes
    ----------
    unit : str
        SI unit; ``1`` for counts, ``ratio``, ``area`` (under a curve, of 1).
    origins : tuple of str
        Origins that a value may have.
    title : str
        Name in tables.
    better : str
        ``lower``, ``higher`` or ``none``.
    low, high : float
        Legal range of a value.
    """

    unit: str
    origins: tuple[str, ...]
    title: str
    better: str
    low: float = 0.0
    high: float = float("inf")


EXECUTED = ("measured", "emulated", "synthetic")

REGISTRY: dict[str, MetricSpec] = {
    "top1": MetricSpec("ratio", EXECUTED, "Accuracy (top-1)", "higher", 0.0, 1.0),
    "auc": MetricSpec("area", EXECUTED, "Area under the ROC curve", "higher", 0.0, 1.0),
    "instructions_per_inference": MetricSpec(
        "instructions", ("emulated",), "Instructions per inference", "lower"
    ),
    "weighted_instructions_per_inference": MetricSpec(
        "instructions", ("emulated",), "Weighted instructions per inference", "lower"
    ),
    "latency_s": MetricSpec("s", ("measured", "estimated", "synthetic"), "Latency", "lower"),
    "latency_p99_s": MetricSpec(
        "s", ("measured", "synthetic"), "Latency, 99th percentile", "lower"
    ),
    "cycles_per_inference": MetricSpec(
        "cycles", ("measured", "synthetic"), "Cycles per inference", "lower"
    ),
    "clock_hz": MetricSpec("Hz", ("measured", "synthetic"), "Core clock", "none"),
    "throughput_ips": MetricSpec("1/s", ("measured", "synthetic"), "Throughput", "higher"),
    "arena_bytes": MetricSpec("bytes", ("static",), "Arena", "lower"),
    "vector_buffer_bytes": MetricSpec("bytes", ("static",), "Vector buffer", "none"),
    "image_bytes": MetricSpec("bytes", ("static",), "Image (flash)", "lower"),
    "engine_flash_bytes": MetricSpec("bytes", ("static",), "Engine (flash)", "lower"),
    "engine_min_flash_bytes": MetricSpec(
        "bytes", ("static",), "Engine of this model's kernels (flash)", "lower"
    ),
    "stack_bytes": MetricSpec("bytes", EXECUTED, "Stack high-water mark", "lower"),
    "link_goodput_Bps": MetricSpec("B/s", ("host",), "Link goodput", "none"),
    "link_retransmissions": MetricSpec("1", ("host",), "Link retransmissions", "lower"),
    "output_mismatches": MetricSpec("1", EXECUTED, "Output mismatches", "lower"),
}


def format_value(key: str, value: float) -> str:
    """Text of a value with its unit, for tables; three to four significant digits for floats."""
    unit = REGISTRY[key].unit
    if unit == "ratio":
        return f"{100 * value:.1f} %"
    if unit == "area":
        return f"{value:.3f}"
    if unit in ("1", "instructions", "cycles"):  # the metric's title names what is counted
        return f"{value:,.0f}"
    if unit == "bytes":
        return f"{value:,.0f} B"
    if unit == "s":
        return _scaled(value, (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)))
    if unit == "Hz":
        return _scaled(value, (("MHz", 1e6), ("kHz", 1e3), ("Hz", 1.0)))
    if unit == "B/s":
        return f"{value:,.0f} B/s"
    return f"{value:.4g} {unit}"


def _scaled(value: float, scales: tuple[tuple[str, float], ...]) -> str:
    for unit, factor in scales:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    unit, factor = scales[-1]
    return f"{value / factor:.4g} {unit}"
