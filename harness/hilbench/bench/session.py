"""Run a plan: prepare the target, let it attest itself, measure, journal every answer."""

from __future__ import annotations

import base64
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from hilbench import __version__
from hilbench.backends.base import Backend, Prepared, Progress
from hilbench.bench.debug import find_difference, image_state
from hilbench.bench.plan import Plan
from hilbench.bench.trials import check_layers, try_link
from hilbench.bench.weighted import join, reads_wanted
from hilbench.device import Device, RunRequest, StreamStatistics, check_attestation, run_stream
from hilbench.device.attest import Expectation, flag_names
from hilbench.device.client import LinkMode
from hilbench.device.stream import unpack_result
from hilbench.errors import AttestationError, ClockMismatch, DeviceError, HilbenchError, Interrupted
from hilbench.schema import protocol as p
from hilbench.store import BundleWriter, array_bytes

CLOCK_CHECK_S = 1.0
CLOCK_TOLERANCE = 0.02
#: A busy host can only make a mark arrive late, once; a wrong clock is wrong every time.
CLOCK_ATTEMPTS = 5


@dataclass
class Session:
    """One run of one plan on one backend.

    Attributes
    ----------
    done : dict
        Mode -> number of vectors that the journal already has (resumed runs).
    first_unique_id : str or None
        Hex, of the device that a resumed run began on: another one must not go on with it.
    until : dict or None
        Mode -> number of vectors at which this visit to the board stops; None = the whole plan.
    """

    plan: Plan
    backend: Backend
    writer: BundleWriter
    progress: Progress
    say: Callable[[str], None]
    done: dict[str, int]
    first_unique_id: str | None = None
    until: dict[str, int] | None = None
    link_mode: LinkMode | None = None
    device: Device | None = None
    _overhead_ticks: int = 0

    def execute(self) -> None:
        """Do what is left of the plan.

        Raises
        ------
        HilbenchError
            Whatever struck first; everything recorded before is in the journal.
        """
        try:
            with self._recorded_errors():
                prepared = self.backend.prepare(
                    self.plan.firmware, self.plan.image.data, self.progress
                )
                for note in prepared.notes:
                    self.say(note)
                device = self.device = self.backend.start()
                self._attest(device, prepared)
                self._measure(device)
        finally:
            self.backend.close()

    @contextmanager
    def _recorded_errors(self) -> Iterator[None]:
        """Write the first cause into the journal, after asking the backend for a better one."""
        try:
            yield
        except KeyboardInterrupt as error:
            self._note_link()
            self.writer.journal.append("interrupted", reason="Ctrl-C or a signal")
            raise Interrupted(
                "interrupted; the board is left reset",
                hint=f"go on with: hilbench resume {self.writer.folder}",
            ) from error
        except HilbenchError as error:
            better = self.backend.diagnose(error)
            self._note_link()
            self.writer.journal.append(
                "error", code=better.exit_code, kind=type(better).__name__, message=better.message
            )
            if better is error:
                raise
            raise better from error

    # ------------------------------------------------------------ attestation

    def _attest(self, device: Device, prepared: Prepared) -> None:
        board = self.plan.board
        hello = device.attest()
        mask = sum(p.ClockFlag[flag.upper()] for flag in board.clock_flags)
        check_attestation(
            hello,
            Expectation(
                board=board.id,
                firmware_digest=self.plan.firmware.digest,
                core_clock_hz=board.clock_hz,
                clock_flags=mask,
                wait_states=board.wait_states,
                counter=board.counter.kind,
                counter_hz=board.counter.hz,
                unique_id=prepared.unique_id,
            ),
        )
        if self.first_unique_id not in (None, hello.unique_id.hex()):
            raise AttestationError(
                f"this device has unique id {hello.unique_id.hex()}, the run began on "
                f"{self.first_unique_id}",
                hint="connect the first one, or start a new run: two devices are two subjects",
            )
        mode = self.link_mode = self._negotiate(device, hello)
        image = device.load_image()
        if image.image_crc != self.plan.image.crc:
            raise AttestationError(
                f"the image on the board has CRC 0x{image.image_crc:08X}, "
                f"planned was 0x{self.plan.image.crc:08X}"
            )
        self.writer.journal.append(
            "attested",
            hello=_hello_json(hello),
            link={"baud": mode.baud, "rx_mode": p.RxMode(mode.rx_mode).name.lower()},
            image={"crc": image.image_crc, "arena_bytes": image.arena_bytes, "ops": image.op_count},
            prepared={"notes": list(prepared.notes), **prepared.facts},
            host=_host(),
            url=device.link.url,
        )
        self._check_clock(device, hello)

    def _negotiate(self, device: Device, hello: p.HelloReply) -> LinkMode:
        current = LinkMode(hello.baud, hello.rx_mode)
        best_rx = p.RxMode.DMA if hello.rx_modes & p.RxMode.DMA else hello.rx_mode
        best_baud = min(self.plan.board.uart.max_baud, hello.max_baud)
        wanted = LinkMode(max(best_baud, hello.baud), best_rx)
        mode = device.negotiate(wanted, current)
        if mode != wanted:
            self.say(f"link: {wanted.baud} baud failed, going on at {mode.baud}")
        return mode

    def _check_clock(self, device: Device, hello: p.HelloReply) -> None:
        """An idle wait of about 1 s, timed by the core's counter and by the host."""
        facts = self.plan.spec.facts
        if facts.time_base == "none" or hello.counter_kind == p.CounterKind.NONE:
            self.writer.journal.append("clock_check", applicable=False)
            return
        attempts: list[dict[str, float]] = []
        while len(attempts) < CLOCK_ATTEMPTS:
            wait = int(hello.counter_hz * CLOCK_CHECK_S)
            ticks, host_s = device.clock_check(wait, CLOCK_CHECK_S)
            attempts.append({"ticks": ticks, "host_s": host_s, "seen_hz": ticks / host_s})
            if abs(attempts[-1]["seen_hz"] / hello.counter_hz - 1) <= CLOCK_TOLERANCE:
                break
        best = min(attempts, key=lambda a: abs(a["seen_hz"] - hello.counter_hz))
        self.writer.journal.append(
            "clock_check",
            applicable=True,
            attempts=attempts,
            seen_hz=best["seen_hz"],
            claimed_hz=hello.counter_hz,
            tolerance=CLOCK_TOLERANCE,
        )
        _judge_clock(best["seen_hz"], hello.counter_hz)

    # ------------------------------------------------------------ measuring

    def _measure(self, device: Device) -> None:
        for mode in self.plan.modes:
            if mode == "accuracy":
                self._accuracy(device)
            elif mode == "performance":
                self._performance(device)
            elif mode == "layers":
                self.writer.journal.append("layers", **check_layers(self.plan, device))
            elif mode == "debug":
                self._debug(device)
            elif mode == "probe":
                self.writer.journal.append("probe_trial", answers=self.backend.probe_trial())
            elif mode == "link":
                for row in try_link(self.plan, device, self._mode_in_force()):
                    self.writer.journal.append("link_trial", **row)
        counters = device.counters()
        self.writer.journal.append("counters", **{k: int(v) for k, v in vars(counters).items()})
        self._note_link()
        self.writer.journal.append("measured" if self.until is None else "visited")

    def _note_link(self) -> None:
        """What the line took so far: a resumed run adds to it."""
        if self.device is not None:
            self.writer.journal.append("link", **self.device.link.counters.to_json())

    def _span(self, mode: str, total: int) -> tuple[int, int]:
        """First vector of this visit, and the one before which it stops."""
        last = total if self.until is None else min(total, self.until.get(mode, 0))
        return self.done.get(mode, 0), last

    def _mode_in_force(self) -> LinkMode:
        assert self.link_mode is not None, "attest first"
        return self.link_mode

    def _accuracy(self, device: Device) -> None:
        first, total = self._span("accuracy", len(self.plan.vectors))
        if first >= total:
            return
        request = self._request(p.RunMode.ACCURACY, first, total)
        statistics = StreamStatistics()
        for result, output, retransmissions in self._results(
            device, request, statistics, "accuracy"
        ):
            self._append_output("sample", first + result.vector, output, r=retransmissions)
            self.progress("accuracy", (first + result.vector + 1) / total)
        self._append_transfer("accuracy", statistics)

    def _performance(self, device: Device) -> None:
        first, total = self._span("performance", self.plan.timed_count)
        if first >= total:
            return
        request = self._request(p.RunMode.TIMED, first, total)
        statistics = StreamStatistics()
        windows: list[tuple[int, int, int]] = []
        for result, output, _ in self._results(device, request, statistics, "performance"):
            windows.append((first + result.vector, result.repeat, result.ticks))
            self._append_output(
                "window",
                first + result.vector,
                output,
                k=result.repeat,
                ticks=result.ticks,
                irq=result.interrupts,
            )
            self.progress("performance", (first + result.vector + 1) / total)
        self._append_transfer("performance", statistics)
        self._weigh(windows)

    def _debug(self, device: Device) -> None:
        layers = check_layers(self.plan, device)
        self.writer.journal.append("layers", **layers)
        difference = find_difference(self.plan, device, layers)
        if difference is None:
            return
        self.writer.write_array("difference-device.npy", difference.device)
        self.writer.write_array("difference-reference.npy", difference.reference)
        described = difference.to_json(self.plan)
        self.writer.journal.append("difference", image=image_state(device), **described)

    def _weigh(self, windows: list[tuple[int, int, int]]) -> None:
        """Journal the weighted counts of these windows, where the backend logs counter reads."""
        reads = self.backend.counter_reads(reads_wanted(len(windows)))
        if not reads:
            return
        journal = self.writer.journal
        try:
            overhead, weighted = join(reads, self._overhead_ticks, [w[2] for w in windows])
        except ValueError as error:
            journal.append("weighted_not_joined", reason=str(error))
            return
        journal.append("weighted_overhead", ticks=overhead)
        for (vector, repeat, _), ticks in zip(windows, weighted, strict=True):
            journal.append("weighted", v=vector, k=repeat, ticks=ticks)

    def _request(self, mode: p.RunMode, first: int, total: int) -> RunRequest:
        vectors = self.plan.vectors[first:total]
        return RunRequest(
            mode=mode,
            vectors=vectors.tobytes(),
            vector_bytes=int(vectors.shape[1]),
            count=len(vectors),
            warmup=self.plan.options.warmup if mode is p.RunMode.TIMED else 0,
            repeat=self.plan.options.repeat if mode is p.RunMode.TIMED else 1,
        )

    def _results(
        self, device: Device, request: RunRequest, statistics: StreamStatistics, mode: str
    ) -> Iterator[tuple[p.Result, bytes, int]]:
        """Results in the order asked for; overhead goes to the journal, `end` is checked."""
        expected = request.count * request.repeat
        seen = 0
        for record in run_stream(device, request, statistics, self.plan.options.deadline_s):
            if record.kind is p.RecordKind.RESULT:
                result, output = unpack_result(record.body)
                place = divmod(seen, request.repeat)
                if (result.vector, result.repeat) != place:
                    raise DeviceError(
                        f"{mode}: the device answers for vector {result.vector}, repeat "
                        f"{result.repeat}, where {place[0]}, {place[1]} is due"
                    )
                seen += 1
                yield result, output, record.retransmissions
            elif record.kind is p.RecordKind.OVERHEAD:
                ticks = self._overhead_ticks = p.Overhead.unpack(record.body).ticks
                self.writer.journal.append("overhead", ticks=ticks)
            elif record.kind is p.RecordKind.END:
                end = p.End.unpack(record.body)
                if end.status != p.Status.OK or seen != expected:
                    raise DeviceError(
                        f"{mode}: the device ended after {seen} of {expected} results "
                        f"(status {end.status})"
                    )

    def _append_output(self, event: str, vector: int, output: bytes, **fields: Any) -> None:
        if len(output) != self.plan.expected[0].nbytes:
            raise DeviceError(
                f"vector {vector}: output of {len(output)} bytes, "
                f"expected {self.plan.expected[0].nbytes}"
            )
        text = base64.b64encode(output).decode()
        self.writer.journal.append(event, v=vector, out=text, **fields)

    def _append_transfer(self, mode: str, statistics: StreamStatistics) -> None:
        self.writer.journal.append(
            "transfer",
            mode=mode,
            goodput_Bps=statistics.goodput_Bps,
            in_bytes=statistics.in_bytes,
            retransmissions=statistics.retransmissions,
            longest_window_s=statistics.longest_window_s,
        )


def _judge_clock(seen_hz: float, claimed_hz: int) -> None:
    """Raise ClockMismatch, with the likely cause, when the two differ by more than allowed."""
    ratio = seen_hz / claimed_hz
    if abs(ratio - 1) <= CLOCK_TOLERANCE:
        return
    cause = (
        "the oscillator or its configuration (HSE value, PLL factors) is not what the firmware "
        "assumes"
        if 0.5 < ratio < 2
        else "the clock was probably left at its reset value"
    )
    raise ClockMismatch(
        f"the core clock is {seen_hz / 1e6:.1f} MHz by the host's clock, the firmware says "
        f"{claimed_hz / 1e6:.1f} MHz ({100 * (ratio - 1):+.1f} %, tolerance "
        f"{100 * CLOCK_TOLERANCE:g} %, {CLOCK_ATTEMPTS} attempts)",
        hint=f"nothing was measured; {cause}",
    )


def new_bundle(plan: Plan, host_time: float) -> BundleWriter:
    """Create the bundle of a plan: plan, model and vectors are in it before anything is touched."""
    inputs = {
        "model.tflite": plan.model_file,
        "inputs.npy": array_bytes(plan.vectors),
        "expected.npy": array_bytes(plan.expected),
    }
    if plan.workload.labels is not None:
        inputs["labels.npy"] = array_bytes(plan.workload.labels)
    if plan.workload.metric == "auc" and plan.workload.values is not None:
        inputs["values.npy"] = array_bytes(plan.workload.values)
    if plan.workload.files is not None:
        inputs["files.npy"] = array_bytes(plan.workload.files)
    name = f"{plan.board.id}-{plan.spec.name}-{plan.scheme}"
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(host_time))
    return BundleWriter.create(
        plan.options.out, name, {**plan.to_json(), "created": created}, inputs
    )


def _hello_json(hello: p.HelloReply) -> dict[str, Any]:
    values: dict[str, Any] = dict(vars(hello))
    values["firmware_digest"] = hello.firmware_digest.hex()
    values["unique_id"] = hello.unique_id.hex()
    values["clock_flags"] = flag_names(hello.clock_flags)
    values["schema_hash"] = f"0x{hello.schema_hash:08X}"
    if hello.temperature_mc == -(1 << 31):
        values["temperature_mc"] = None
    if hello.vdd_mv == 0:
        values["vdd_mv"] = None
    return values


def _host() -> dict[str, str]:
    return {
        "hilbench": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "numpy": np.__version__,
        "pyocd": version("pyocd"),
        "pyserial": version("pyserial"),
    }
