"""From a bundle's journal to its tables, metrics and verdict."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilbench.bench.recorded import Recorded, read_events
from hilbench.boards.model import count_ticks
from hilbench.errors import BundleError
from hilbench.records import Facts, Metric, Sample, Verdict, VerdictBuilder, Window
from hilbench.schema.protocol import CounterKind
from hilbench.stats import auc, median_interval, quantile_interval, wilson_interval
from hilbench.units import format_value
from hilbench.workloads import by_file, predictions, reconstruction_errors


@dataclass(frozen=True)
class Results:
    """Everything that the sealed bundle says beside its journal."""

    metrics: dict[str, Metric]
    verdict: Verdict
    samples_csv: str
    windows_csv: str
    outputs: np.ndarray[Any, Any] | None
    counts: list[int]


class ResultsBuilder:
    """Computes one bundle's results from plan, arrays and recorded events."""

    def __init__(
        self,
        plan: dict[str, Any],
        recorded: Recorded,
        expected: np.ndarray[Any, Any],
        labels: np.ndarray[Any, Any] | None,
        values: np.ndarray[Any, Any] | None = None,
        files: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self._plan, self._recorded = plan, recorded
        self._expected, self._labels = expected, labels
        self._values, self._files = values, files
        facts = plan["facts"]
        self._facts = Facts(facts["ticks"], facts["time_base"], facts["silicon"])
        self._metrics: dict[str, Metric] = {}
        self._verdict = VerdictBuilder()

    def build(self) -> Results:
        samples = [self._recorded.samples[v] for v in sorted(self._recorded.samples)]
        windows = [self._recorded.windows[key] for key in sorted(self._recorded.windows)]
        self._check_outputs(samples, windows)
        self._accuracy(samples)
        counts = self._performance(windows)
        self._statics()
        self._link()
        self._clock()
        self._layers()
        self._difference()
        self._trials()
        if self._recorded.interruptions:
            self._verdict.check(
                "resumed", f"interrupted {self._recorded.interruptions} times, then completed"
            )
        outputs = [s.output for s in samples] or [w.output for w in windows if w.repeat == 0]
        return Results(
            metrics=self._metrics,
            verdict=self._verdict.build(),
            samples_csv=self._samples_csv(samples),
            windows_csv=self._windows_csv(windows, counts),
            outputs=self._array(outputs) if outputs else None,
            counts=counts,
        )

    # ------------------------------------------------------------ checks and metrics

    def _add(self, key: str, value: float, origin: str, n: int, **interval: float) -> None:
        self._metrics[key] = Metric(key, value, origin, n, self._facts, **interval)

    def _wrong(self, vector: int, output: bytes) -> bool:
        return bool(output != self._expected[vector].tobytes())

    def _check_outputs(self, samples: list[Sample], windows: list[Window]) -> None:
        answers: list[Sample | Window] = [*samples, *windows]
        wrong = sum(self._wrong(a.vector, a.output) for a in answers)
        if not answers:
            return
        self._add("output_mismatches", wrong, self._facts.origin, len(answers))
        seen = f"{len(answers) - wrong} of {len(answers)} outputs equal the host's reference"
        if wrong:
            self._verdict.fail("invalid", "outputs", f"only {seen}")
        else:
            self._verdict.check("outputs", seen)

    def _accuracy(self, samples: list[Sample]) -> None:
        """The workload's metric, with its interval, and whether the target is met."""
        if not samples or self._labels is None:
            return
        metric = self._metric
        labels = self._labels[[s.vector for s in samples]]
        if metric == "auc":
            found = self._auc(samples, labels)
            if found is None:
                return
            value, low, high, n = found
        else:
            correct = int((predictions(self._array([s.output for s in samples])) == labels).sum())
            value, n = correct / len(samples), len(samples)
            low, high = wilson_interval(correct, n)
        self._add(metric, value, self._facts.origin, n, low=low, high=high)
        target = self._plan.get("quality_target")
        if target is not None:
            word = "met" if value >= target else "missed"
            self._verdict.check("quality target", f"{format_value(metric, target)} {word}")

    @property
    def _metric(self) -> str:
        return str(self._plan["workload"].get("metric") or "top1")

    def _auc(
        self, samples: list[Sample], labels: np.ndarray[Any, Any]
    ) -> tuple[float, float, float, int] | None:
        """(area, low, high, files or vectors); None where all labels are of one kind."""
        vectors = [s.vector for s in samples]
        files = None if self._files is None else self._files[vectors]
        scores, truth = by_file(self._scores(samples), labels, files)
        if len(set(truth != 0)) < 2:
            self._verdict.check("area under the ROC curve", "none: all labels are of one kind")
            return None
        found = auc(scores, truth != 0)
        return found.value, found.low, found.high, len(scores)

    def _scores(self, samples: list[Sample]) -> np.ndarray[Any, Any]:
        """Reconstruction error of each sample."""
        affine = self._plan["image"].get("output_affine") or {"scale": 1.0, "zero_point": 0}
        assert self._values is not None
        return reconstruction_errors(
            self._array([s.output for s in samples]),
            self._values[[s.vector for s in samples]],
            affine["scale"],
            affine["zero_point"],
        )

    def _performance(self, windows: list[Window]) -> list[int]:
        """Counts per window with the overhead subtracted, and the metrics made of them."""
        if not windows:
            return []
        if self._recorded.events["attested"]["hello"]["counter_kind"] == CounterKind.NONE:
            self._verdict.check("counter", "this port has none: outputs only, no counts")
            return [w.ticks for w in windows]
        overheads = {self._count(ticks) for ticks in self._recorded.overhead_ticks}
        overhead = min(overheads, default=0)
        if len(overheads) > 1 and self._facts.ticks == "instructions":
            self._verdict.fail("degraded", "overhead", f"differs between runs: {sorted(overheads)}")
        else:
            self._verdict.check(
                "overhead", f"{overhead:,} {self._facts.ticks} per window, subtracted"
            )
        counts = [self._count(w.ticks) - overhead for w in windows]
        if min(counts) <= 0:
            self._verdict.fail("invalid", "counter", "it does not advance in a window")
            return counts
        self._check_wrap()
        disturbed = sum(w.interrupts > 0 for w in windows)
        if disturbed:
            self._verdict.fail(
                "degraded", "windows", f"{disturbed} of {len(windows)} were interrupted"
            )
        else:
            self._verdict.check("windows", f"{len(windows)} silent windows")
        if self._facts.ticks == "instructions":
            self._instructions(windows, counts)
            self._weighted(windows)
        else:
            self._latency(counts)
        return counts

    def _instructions(self, windows: list[Window], counts: list[int]) -> None:
        """An emulator repeats itself exactly: a vector is one sample, however often it ran."""
        by_vector: dict[int, list[int]] = {}
        for window, count in zip(windows, counts, strict=True):
            by_vector.setdefault(window.vector, []).append(count)
        differing = [vector for vector, values in by_vector.items() if len(set(values)) > 1]
        if differing:
            self._verdict.fail(
                "degraded",
                "counts",
                f"{len(differing)} vectors gave different counts in their repeats, the first of "
                f"them vector {differing[0]}: {by_vector[differing[0]]}",
            )
        else:
            self._verdict.check("counts", "the repeats of each vector give the same count")
        samples = [values[0] for values in by_vector.values()]
        median, low, high = median_interval(samples)
        self._add(
            "instructions_per_inference", median, self._facts.origin, len(samples),
            low=low, high=high,
        )  # fmt: skip

    def _weighted(self, windows: list[Window]) -> None:
        """The emulator's second count; nothing where it keeps no log of the windows."""
        recorded = self._recorded
        if not recorded.weighted and "weighted_not_joined" not in recorded.events:
            return
        missing = sum((w.vector, w.repeat) not in recorded.weighted for w in windows)
        if missing:
            reason = recorded.events.get("weighted_not_joined", {}).get("reason", "interrupted")
            self._verdict.check(
                "weighted counts",
                f"none: {missing} of {len(windows)} windows are not in the emulator's log "
                f"({reason})",
            )
            return
        by_vector = {w.vector: recorded.weighted[w.vector, w.repeat] for w in windows}
        median, low, high = median_interval(list(by_vector.values()))
        self._add(
            "weighted_instructions_per_inference", median, self._facts.origin, len(by_vector),
            low=low, high=high,
        )  # fmt: skip

    def _check_wrap(self) -> None:
        """In real time, an inference shorter than the counter's period cannot have wrapped it."""
        hello = self._recorded.events["attested"]["hello"]
        if self._facts.time_base != "real" or self._facts.ticks != "cycles":
            return
        period_s = 2 ** hello["counter_bits"] / hello["counter_hz"]
        longest_s = max(
            (t.get("longest_window_s", 0.0) for t in self._recorded.transfers), default=0
        )
        # the silence for one vector covers its warm-up and its repeats, each about as long
        inference_s = longest_s / (self._plan["warmup"] + self._plan["repeat"])
        if inference_s >= period_s:
            self._verdict.fail(
                "invalid",
                "counter",
                f"it wraps after {period_s:.1f} s, and inferences took up to {inference_s:.1f} s",
            )

    def _latency(self, cycles: list[int]) -> None:
        hz = self._clock_hz()
        origin, n = self._facts.origin, len(cycles)
        median, low, high = median_interval(cycles)
        p99, p99_low, p99_high = quantile_interval(cycles, 0.99)
        self._add("cycles_per_inference", median, origin, n, low=low, high=high)
        self._add("latency_s", median / hz, origin, n, low=low / hz, high=high / hz)
        self._add("latency_p99_s", p99 / hz, origin, n, low=p99_low / hz, high=p99_high / hz)
        self._add("throughput_ips", hz / median, origin, n, low=hz / high, high=hz / low)
        self._add("clock_hz", hz, origin, 1)

    def _clock_hz(self) -> float:
        return float(self._recorded.events["attested"]["hello"]["core_clock_hz"])

    def _count(self, ticks: int) -> int:
        return count_ticks(ticks, self._plan["ticks_to_instructions"])

    def _statics(self) -> None:
        hello = self._recorded.events["attested"]["hello"]
        self._add("arena_bytes", self._plan["image"]["arena_bytes"], "static", 1)
        self._add("image_bytes", self._plan["image"]["bytes"], "static", 1)
        self._add("vector_buffer_bytes", hello["vector_buffer_bytes"], "static", 1)
        if self._plan["engine_flash_bytes"] is not None:
            self._add("engine_flash_bytes", self._plan["engine_flash_bytes"], "static", 1)
        if self._plan.get("engine_min_flash_bytes") is not None:
            self._add("engine_min_flash_bytes", self._plan["engine_min_flash_bytes"], "static", 1)
        counters = self._recorded.events["counters"]
        if counters["stack_capacity"]:  # a port without a stack of its own cannot tell
            self._add("stack_bytes", counters["stack_bytes"], self._facts.origin, 1)
        touched, planned = counters["arena_bytes"], self._plan["image"]["arena_bytes"]
        if touched > planned:
            self._verdict.fail("invalid", "arena", f"{touched} bytes touched, {planned} planned")
        else:
            self._verdict.check("arena", f"{touched} of {planned} planned bytes touched")

    def _link(self) -> None:
        transfers = [t for t in self._recorded.transfers if t["goodput_Bps"] > 0]
        accuracy = [t for t in transfers if t["mode"] == "accuracy"]
        for transfer in (accuracy or transfers)[:1]:
            self._add("link_goodput_Bps", transfer["goodput_Bps"], "host", 1)
        link = self._recorded.events["link"]
        self._add("link_retransmissions", link["retransmissions"], "host", 1)
        counters = self._recorded.events["counters"]
        bad = {
            name: counters[name]
            for name in ("crc_errors", "cobs_errors", "overruns", "line_errors")
            if counters[name]
        }
        bad |= {f"host_{n}": link[n] for n in ("crc_errors", "cobs_errors") if link[n]}
        text = ", ".join(f"{name} {count}" for name, count in bad.items())
        self._verdict.check("link", f"all frames recovered; {text or 'no errors'}")

    def _layers(self) -> None:
        layers = self._recorded.events.get("layers")
        if layers is None:
            return
        total = layers["vectors"] * layers["ops"]
        if layers["mismatches"]:
            vector, op = layers["mismatches"][0]
            name = self._plan["image"]["ops"][op]["name"]
            self._verdict.fail(
                "invalid",
                "layers",
                f"{len(layers['mismatches'])} of {total} layer outputs differ, first operator "
                f"{op} ({name}) of vector {vector}",
            )
        else:
            self._verdict.check("layers", f"{total} layer outputs equal the host's reference")

    def _difference(self) -> None:
        found = self._recorded.events.get("difference")
        if found is None:
            return
        first = found.get("first")
        place = f"operator {found['operator']} ({found['name']}, kernel {found['kernel']})"
        text = f"{place}: the difference did not repeat in a second run of vector {found['vector']}"
        if first is not None:
            text = (
                f"{place}: {found['differing']} of {found['elements']} elements differ, first at "
                f"{first['index']}, channel {first['channel']}: device {first['device']}, "
                f"reference {first['reference']}"
            )
        self._verdict.fail("invalid", "first difference", text)
        self._verdict.check("image on the board", found["image"])

    def _trials(self) -> None:
        for trial in self._recorded.link_trials:
            name = f"link at {trial['baud']:,} baud"
            if trial["works"]:
                seen = f"{100 * trial['share_of_line']:.1f} % of the line"
                self._verdict.check(name, f"{seen}, {trial['retransmissions']} retransmissions")
            else:
                self._verdict.fail("degraded", name, "does not work")
        for access, answer in (
            self._recorded.events.get("probe_trial", {}).get("answers", {}).items()
        ):
            self._verdict.check(f"probe: {access}", answer)

    def _clock(self) -> None:
        check = self._recorded.events.get("clock_check", {"applicable": False})
        if not check["applicable"]:
            self._verdict.check("clock", "not applicable: this backend has no real time")
            return
        off = check["seen_hz"] / check["claimed_hz"] - 1
        self._verdict.check(
            "clock",
            f"{check['claimed_hz'] / 1e6:g} MHz claimed, {100 * off:+.2f} % by the host's clock "
            f"(tolerance {100 * check['tolerance']:g} %)",
        )

    # ------------------------------------------------------------ tables

    def _array(self, outputs: list[bytes]) -> np.ndarray[Any, Any]:
        dtype, elements = self._plan["image"]["output_dtype"], self._expected.shape[1]
        return np.frombuffer(b"".join(outputs), dtype=dtype).reshape(-1, elements)

    def _samples_csv(self, samples: list[Sample]) -> str:
        """A row per vector: its prediction, or its anomaly score."""
        if not samples:
            return ""
        answer, answers = "prediction", list[object]()
        if self._metric == "auc" and self._values is not None:
            answer, answers = "score", [f"{score:.9g}" for score in self._scores(samples)]
        else:
            answers = [int(p) for p in predictions(self._array([s.output for s in samples]))]
        rows = [
            (
                s.vector,
                "" if self._labels is None else int(self._labels[s.vector]),
                given,
                s.retransmissions,
                int(self._wrong(s.vector, s.output)),
            )
            for s, given in zip(samples, answers, strict=True)
        ]
        return _csv(("vector", "label", answer, "retransmissions", "mismatch"), rows)

    def _windows_csv(self, windows: list[Window], counts: list[int]) -> str:
        rows = [
            (w.vector, w.repeat, w.ticks, count, w.interrupts, int(self._wrong(w.vector, w.output)))
            for w, count in zip(windows, counts, strict=True)
        ]
        unit = self._facts.ticks
        return _csv(("vector", "repeat", "ticks", unit, "interrupts", "mismatch"), rows)


def compute(
    plan: dict[str, Any],
    events: Sequence[dict[str, Any]],
    expected: np.ndarray[Any, Any] | None,
    labels: np.ndarray[Any, Any] | None,
    values: np.ndarray[Any, Any] | None = None,
    files: np.ndarray[Any, Any] | None = None,
) -> Results:
    """Results of a completed journal; the arrays are those of the bundle.

    Raises
    ------
    BundleError
        When the journal does not hold a whole run.
    """
    recorded = read_events(events)
    if expected is None or "measured" not in recorded.events:
        raise BundleError("the run is not complete", hint="`hilbench resume` goes on")
    _check_whole(plan, recorded)
    return ResultsBuilder(plan, recorded, expected, labels, values, files).build()


def _check_whole(plan: dict[str, Any], recorded: Recorded) -> None:
    """Each vector asked for is there, and no other: lines were neither lost nor slipped in."""
    samples = plan["workload"]["vectors"] if "accuracy" in plan["modes"] else 0
    timed = plan["performance_vectors"] if "performance" in plan["modes"] else 0
    windows = {(v, k) for v in range(timed) for k in range(plan["repeat"])}
    if set(recorded.samples) != set(range(samples)) or set(recorded.windows) != windows:
        raise BundleError(
            f"the journal claims a whole run, and has {len(recorded.samples)} of {samples} vectors "
            f"and {len(recorded.windows)} of {len(windows)} windows",
            hint="it was altered; start a new run",
        )


def _csv(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue() if rows else ""
