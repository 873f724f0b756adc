"""One self-contained HTML page from one bundle: light and dark, no script, no external request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.reports import plots
from hilbench.reports.page import render_page
from hilbench.reports.terminal import SYNTHETIC, UNTESTED, interval_text, ordered_metrics
from hilbench.reports.vectors import VectorDrawer
from hilbench.stats import wilson_interval
from hilbench.store import Bundle
from hilbench.units import REGISTRY, format_value

#: Wrong vectors that are shown; the rest is in samples.csv.
WRONG_SHOWN = 24
#: Most classes for which the confusion matrix and the bars of each class are drawn.
CLASSES_SHOWN = 32
MEMORY = ("image_bytes", "engine_flash_bytes", "arena_bytes", "vector_buffer_bytes", "stack_bytes")


@dataclass(frozen=True)
class Wrong:
    """A vector that was classified wrongly."""

    vector: int
    label: str
    prediction: str
    picture: str


def render_html(bundle: Bundle) -> str:
    """The report's text.  ``bundle`` needs its metrics and tables, not its manifest."""
    plan, metrics = bundle.plan, bundle.metrics
    samples = _Samples(bundle)
    return render_page(
        "report.html.j2",
        plan=plan,
        run=bundle.run,
        title=f"{plan['subject']['model']} on {plan['board']}",
        verdict=metrics["verdict"],
        synthetic=SYNTHETIC if plan["workload"].get("synthetic") else None,
        untested=None if plan["silicon_tested"] else UNTESTED,
        rows=list(_metric_rows(bundle)),
        plots=list(_plots(bundle, samples)),
        wrong=samples.wrong(),
        wrong_count=samples.wrong_count,
        sample_count=len(samples.rows),
        provenance=list(_provenance(bundle)),
    )


def _metric_rows(bundle: Bundle) -> Iterator[dict[str, Any]]:
    for key, metric in ordered_metrics(bundle):
        yield {
            "key": key,
            "title": REGISTRY[key].title,
            "value": format_value(key, metric["value"]),
            "interval": interval_text(key, metric),
            "n": f"{metric['n']:,}",
            "origin": metric["origin"],
            "raw": metric,
        }


# ---------------------------------------------------------------- plots


def _plots(bundle: Bundle, samples: _Samples) -> Iterator[tuple[str, str, str]]:
    """(heading, caption, SVG) of each plot that the bundle has data for."""
    windows = bundle.rows("windows.csv")
    if windows:
        unit = bundle.plan["facts"]["ticks"]
        points = [(int(w["vector"]), int(w["repeat"]), float(w[unit])) for w in windows]
        yield (
            f"{unit.capitalize()} per inference",
            f"Each of the {len(points)} timed inferences, the window's overhead subtracted.",
            plots.scatter(points, unit, "windows", f"{unit} of each timed inference"),
        )
    if samples.labelled and len(samples.classes) <= CLASSES_SHOWN:
        yield (
            "Confusion",
            f"{len(samples.rows)} vectors; the shade is a cell's share of its row.",
            plots.confusion(
                samples.confusion(), samples.classes, "confusion", "labels against predictions"
            ),
        )
        yield (
            "Accuracy by class",
            "Of the label's vectors; the whiskers are 95 % Wilson intervals.",
            plots.bars(list(samples.by_class()), "classes", "accuracy of each class", 1.0),
        )
    if samples.scored:
        yield (
            "Anomaly scores",
            "Mean squared difference of output and input: median; whiskers at the quartiles.",
            plots.bars(list(samples.by_score()), "scores", "anomaly scores of each class"),
        )
    metrics = bundle.metrics["metrics"]
    memory = [
        plots.Bar(REGISTRY[key].title, metrics[key]["value"], f"{metrics[key]['value']:,.0f} B")
        for key in MEMORY
        if key in metrics
    ]
    if memory:
        yield (
            "Memory",
            "Image and engine lie in flash, the others in RAM.",
            plots.bars(memory, "memory", "memory in bytes"),
        )
    macs = [
        plots.Bar(f"{number} {op['name']}", op["macs"], f"{op['macs']:,}")
        for number, op in enumerate(bundle.plan["image"]["ops"])
        if op["macs"]
    ]
    if macs:
        caption = f"{bundle.plan['image']['macs']:,} in all; static, from the model."
        yield (
            "Multiply-accumulates by operator",
            caption,
            plots.bars(macs, "macs", "multiply-accumulates of each operator"),
        )


class _Samples:
    """samples.csv of a bundle, with labels where it has them."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.rows = bundle.rows("samples.csv")
        first = self.rows[0] if self.rows else {}
        self.scored = "score" in first
        self.labelled = "prediction" in first and first["label"] != ""
        self._pairs = [
            (int(r["vector"]), int(r["label"]), int(r["prediction"]))
            for r in self.rows
            if self.labelled
        ]
        named = tuple(bundle.plan["workload"]["classes"])
        count = bundle.plan["image"]["output_elements"]
        self.classes = named if len(named) == count else tuple(map(str, range(count)))

    @property
    def wrong_count(self) -> int:
        return sum(label != prediction for _, label, prediction in self._pairs)

    def confusion(self) -> NDArray[np.int64]:
        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        for _, label, prediction in self._pairs:
            matrix[label, prediction] += 1
        return matrix

    def by_class(self) -> Iterator[plots.Bar]:
        matrix = self.confusion()
        for position, name in enumerate(self.classes):
            total, right = int(matrix[position].sum()), int(matrix[position, position])
            if total:
                low, high = wilson_interval(right, total)
                text = f"{100 * right / total:.1f} % of {total}"
                yield plots.Bar(name, right / total, text, low, high)

    def by_score(self) -> Iterator[plots.Bar]:
        """Anomaly scores of what is normal and what is not: median and quartiles."""
        names = self.bundle.plan["workload"]["classes"] or ("normal", "anomaly")
        for position, name in enumerate(names[:2]):
            scores = [float(r["score"]) for r in self.rows if (r["label"] != "0") == bool(position)]
            if scores:
                low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75)).tolist()
                text = f"{middle:.4g}, middle of {len(scores)}"
                yield plots.Bar(name, middle, text, low, high)

    def wrong(self) -> list[Wrong]:
        found = [pair for pair in self._pairs if pair[1] != pair[2]][:WRONG_SHOWN]
        pictures = VectorDrawer(self.bundle) if found else None
        return [
            Wrong(v, self.classes[lab], self.classes[pred], pictures.draw(v) if pictures else "")
            for v, lab, pred in found
        ]


# ---------------------------------------------------------------- provenance


def _provenance(bundle: Bundle) -> Iterator[tuple[str, str]]:
    plan, provenance = bundle.plan, bundle.provenance
    hello, link = provenance["hello"], provenance["link"]
    workload = plan["workload"]
    yield "created", plan["created"]
    yield "board", f"{plan['board_title']} ({plan['board']}), backend {plan['backend']}"
    facts = plan["facts"]
    yield "backend declares", f"ticks: {facts['ticks']}; time base: {facts['time_base']}"
    yield "firmware digest (attested)", hello["firmware_digest"]
    yield "firmware ELF SHA-256", plan["subject"]["firmware_sha256"]
    yield (
        "engine",
        f"{hello['engine']} {hello['engine_version'] >> 8}.{hello['engine_version'] & 255}",
    )
    yield (
        "core clock (attested)",
        f"{hello['core_clock_hz']:,} Hz, {hello['wait_states']} wait states",
    )
    yield "clock flags (attested)", ", ".join(hello["clock_flags"]) or "none"
    yield "unique device id", hello["unique_id"]
    if hello.get("vdd_mv") is not None:  # the first bundles have no such field
        vdd_v, temperature_c = hello["vdd_mv"] / 1000, hello["temperature_mc"] / 1000
        source = "by the chip" if facts["silicon"] else "simulated"
        yield "supply and die temperature", f"{vdd_v:.2f} V, {temperature_c:.1f} °C ({source})"
    yield "model SHA-256", plan["subject"]["model_digest"]
    yield "image CRC-32", f"0x{plan['image']['crc']:08X}"
    yield (
        "workload",
        f"{workload['name']}, {workload['vectors']} vectors of {workload['vector_bytes']} bytes",
    )
    yield "workload data", workload["source"]
    if workload.get("synthetic"):
        yield "synthetic", SYNTHETIC
    yield "encoding", workload["encoding"]
    yield "workload identity", plan["workload_identity"]
    yield "subject identity", plan["subject_identity"]
    yield "link", f"{link['baud']:,} baud, receive by {link['rx_mode']}"
    yield "outputs checked", plan["output_check"]
    yield (
        "repeats",
        f"{plan['repeat']} timed after {plan['warmup']} untimed, per vector; "
        "input reloaded before each",
    )
    for note in provenance["prepared"]["notes"]:
        yield "prepared", note
    for name, value in provenance["host"].items():
        yield f"host: {name}", value
