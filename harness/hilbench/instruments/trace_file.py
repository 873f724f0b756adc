"""Recorded power traces from files: CSV, numpy arrays, and MLPerf Tiny's binary energy traces.

CSV is read in pieces, so that 10 million samples take the memory of their single-precision values
and little more; arrays (``.npy``) are mapped and scaled on the way.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import TraceError
from hilbench.instruments.base import LOST, Block, Capabilities, Collector, Mark, Recording

CHUNK_LINES = 100_000
#: Largest distance of a time step from a whole number of periods, in periods.
MAX_JITTER = 0.3
#: A trace longer than this is refused: its time column is likely in another unit.
MAX_SAMPLES = 1_000_000_000

MLPERF_MAGIC = 0xF1
MLPERF_LINE = "timestamp"


@dataclass(frozen=True)
class CsvFormat:
    """Which column of a CSV file is what: by header name, or by 0-based number.

    Attributes
    ----------
    value : str or int
        Current or power.
    quantity : str
        ``current`` or ``power``.
    value_scale : float
        Factor to A or W (1e-6 for microamperes).
    time : str or int or None
        Time stamps; without it ``rate_hz`` is needed.
    time_scale : float
        Factor to seconds.
    rate_hz : float or None
        Sampling rate.  None: taken from the time stamps.
    voltage : str or int or None
    voltage_scale : float
        Factor to V.
    bits : str or int or None
        Logic levels as digits 0 and 1, the first that of line 0; up to eight.
    supply_v : float or None
        Constant voltage where no column has it.
    delimiter : str
    header : bool
        Whether the first line has names.
    """

    value: str | int = 0
    quantity: str = "current"
    value_scale: float = 1.0
    time: str | int | None = None
    time_scale: float = 1.0
    rate_hz: float | None = None
    voltage: str | int | None = None
    voltage_scale: float = 1.0
    bits: str | int | None = None
    supply_v: float | None = None
    delimiter: str = ","
    header: bool = True


def ppk2_csv(supply_v: float, *, bits: bool = True) -> CsvFormat:
    """Format of the export of Nordic's Power Profiler: ms, uA, and the logic port as ``D0-D7``.

    Parameters
    ----------
    supply_v : float
        Voltage during the recording; the file does not have it.
    bits : bool
        Whether the column ``D0-D7`` was exported.

    Notes
    -----
    pc-nrfconnect-ppk, ``src/actions/exportChartAction.ts``: samples that are missing are left out,
    so that only the time column shows them.
    """
    return CsvFormat(
        value="Current(uA)",
        value_scale=1e-6,
        time="Timestamp(ms)",
        time_scale=1e-3,
        bits="D0-D7" if bits else None,
        supply_v=supply_v,
    )


def read_csv(path: Path, layout: CsvFormat, *, origin: str = "measured") -> Recording:
    """Read a CSV trace.

    An empty field or ``nan`` as value, and a time step of several periods, are lost samples.

    Raises
    ------
    TraceError
        With file and line: a column that is not there, a field that is no number, time that goes
        back or is off the sampling grid.  Also for a file without samples.
    """
    reader = _CsvReader(path, layout)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            reader.read_header(next(file, "") if layout.header else "")
            while lines := list(itertools.islice(file, CHUNK_LINES)):
                reader.read(lines)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    return reader.finish(origin)


class _CsvReader:
    """State between pieces of a CSV file."""

    def __init__(self, path: Path, layout: CsvFormat) -> None:
        if layout.time is None and layout.rate_hz is None:
            raise TraceError(f"{path}: neither a time column nor a sampling rate is given")
        self._path, self._layout = path, layout
        wanted = {
            "value": layout.value,
            "time": layout.time,
            "voltage": layout.voltage,
            "bits": layout.bits,
        }
        self._wanted = {role: name for role, name in wanted.items() if name is not None}
        self._columns: dict[str, int] = {}
        self._line = 1
        self._collector = Collector()
        self._period_s = None if layout.rate_hz is None else 1 / layout.rate_hz
        self._first_s = self._last_s = math.nan

    def read_header(self, header: str) -> None:
        names = [name.strip().strip('"') for name in header.split(self._layout.delimiter)]
        for role, name in self._wanted.items():
            if isinstance(name, int):
                self._columns[role] = name
            elif name in names:
                self._columns[role] = names.index(name)
            else:
                raise self._error(1, f"no column {name!r} among {', '.join(names)}")
        self._line = 2 if self._layout.header else 1

    def read(self, lines: list[str]) -> None:
        table, numbers = self._table(lines)
        self._line += len(lines)
        if not len(table):
            return
        column = dict(zip(self._columns, table.T, strict=True))
        index = self._index(column.get("time"), len(table), numbers)
        value = column["value"] * self._layout.value_scale
        lost = ~np.isfinite(value)
        value[lost] = np.nan
        first, size = int(index[0]), int(index[-1] - index[0]) + 1
        at = index - first
        all_values = np.full(size, np.nan, np.float32)
        flags = np.full(size, LOST, np.uint8)
        all_values[at], flags[at] = value, np.where(lost, LOST, 0)
        voltage = digital = None
        if "voltage" in column:
            voltage = np.full(size, np.nan, np.float32)
            voltage[at] = column["voltage"] * self._layout.voltage_scale
        if "bits" in column:
            digital = np.repeat(self._bits(column["bits"], numbers), np.diff(at, append=size))
        self._collector.add(Block(first, all_values, flags, digital, voltage))

    def finish(self, origin: str) -> Recording:
        layout, count = self._layout, len(self._collector)
        if not count:
            raise TraceError(f"{self._path}: no samples")
        if layout.rate_hz is not None:
            rate_hz = layout.rate_hz
        elif count > 1:
            rate_hz = (count - 1) / (self._last_s - self._first_s)
        else:
            raise TraceError(f"{self._path}: one sample gives no sampling rate")
        recording = self._collector.build(
            rate_hz=rate_hz,
            instrument=_of_file(
                self._path, layout.voltage is not None, 8 if layout.bits is not None else 0
            ),
            origin=origin,
            supply_v=layout.supply_v,
        )
        return dataclasses.replace(recording, quantity=layout.quantity)

    def _table(self, lines: list[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Numbers of the wanted columns, shape (rows, columns), and the line of each row."""
        numbers = np.arange(self._line, self._line + len(lines))
        if not any(line.isspace() for line in lines):
            try:
                table = np.loadtxt(
                    lines,
                    delimiter=self._layout.delimiter,
                    usecols=tuple(self._columns.values()),
                    comments=None,
                    ndmin=2,
                )
                return table, numbers
            except ValueError:
                pass  # a field that is empty or wrong: look line by line
        rows, kept = [], []
        for number, line in zip(numbers.tolist(), lines, strict=True):
            if not line.isspace():
                rows.append(self._row(number, line))
                kept.append(number)
        return np.array(rows, np.float64).reshape(len(rows), len(self._columns)), np.array(
            kept, np.int64
        )

    def _row(self, number: int, line: str) -> list[float]:
        fields = line.rstrip("\r\n").split(self._layout.delimiter)
        row = []
        for role, column in self._columns.items():
            if column >= len(fields):
                raise self._error(number, f"{len(fields)} fields, no column {column + 1}")
            text = fields[column].strip()
            if not text and role in ("value", "voltage"):
                row.append(math.nan)
                continue
            try:
                row.append(float(text))
            except ValueError:
                raise self._error(number, f"{text!r} is not a number") from None
        return row

    def _index(
        self, time: NDArray[np.float64] | None, count: int, numbers: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Sample index of each row."""
        reached = len(self._collector)
        if time is None:
            return np.arange(reached, reached + count)
        seconds = time * self._layout.time_scale
        bad = np.flatnonzero(~np.isfinite(seconds))
        if len(bad):
            raise self._error(int(numbers[bad[0]]), "the time is not a finite number")
        previous = seconds[:1] if math.isnan(self._last_s) else np.array([self._last_s])
        steps_s = np.diff(seconds, prepend=previous)
        if math.isnan(self._last_s):
            self._first_s = float(seconds[0])
        back = np.flatnonzero(steps_s[1:] <= 0) + 1
        if reached and steps_s[0] <= 0:
            back = np.array([0])
        if len(back):
            raise self._error(int(numbers[back[0]]), "the time does not advance")
        if self._period_s is None:
            if count < 2:
                self._last_s = float(seconds[-1])
                return np.zeros(1, np.int64)
            self._period_s = _period_s(steps_s[1:])
        steps = np.rint(steps_s / self._period_s)
        if not reached:
            steps[0] = 1
            steps_s[0] = self._period_s
        off = np.flatnonzero(np.abs(steps_s / self._period_s - steps) > MAX_JITTER)
        if len(off) or (steps < 1).any():
            row = int(off[0]) if len(off) else int(np.flatnonzero(steps < 1)[0])
            raise self._error(
                int(numbers[row]),
                f"a time step of {steps_s[row]:g} s is not a multiple of {self._period_s:g} s",
            )
        if reached + float(steps.sum()) > MAX_SAMPLES:
            raise self._error(int(numbers[-1]), f"more than {MAX_SAMPLES} samples, gaps included")
        self._last_s = float(seconds[-1])
        return reached - 1 + np.cumsum(steps).astype(np.int64)

    def _bits(self, digits: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Levels of the lines, one bit each, from numbers such as 01000001 read as decimal.

        The column is right-aligned to eight digits: the first digit is line 0.
        """
        if not np.all(np.isfinite(digits) & (digits >= 0) & (digits <= 11_111_111)):
            row = int(np.flatnonzero(~((digits >= 0) & (digits <= 11_111_111)))[0])
            raise self._error(int(numbers[row]), "logic levels are not eight digits 0 or 1")
        left = digits.astype(np.int64)
        levels = np.zeros(len(left), np.uint8)
        for line in reversed(range(8)):
            left, digit = left // 10, left % 10
            wrong = np.flatnonzero(digit > 1)
            if len(wrong):
                raise self._error(int(numbers[wrong[0]]), "a logic level is neither 0 nor 1")
            levels |= (digit << line).astype(np.uint8)
        return levels

    def _error(self, line: int, message: str) -> TraceError:
        return TraceError(f"{self._path}:{line}: {message}")


def _period_s(steps_s: NDArray[np.float64]) -> float:
    """Sampling period behind steps of one or more periods each, rounded time stamps included."""
    whole = np.rint(steps_s / steps_s.min())
    return float(np.median(steps_s / whole))


# ---------------------------------------------------------------- binary


def read_npy(
    path: Path,
    *,
    rate_hz: float,
    quantity: str = "current",
    scale: float = 1.0,
    supply_v: float | None = None,
    origin: str = "measured",
) -> Recording:
    """Read a one-dimensional array of samples, mapped; NaN are lost samples.

    Raises
    ------
    TraceError
        When it is not such an array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TraceError(f"{path}: not a numpy array: {error}") from error
    if array.ndim != 1 or array.dtype.kind not in "fiu" or not array.size:
        raise TraceError(f"{path}: {array.dtype} of shape {array.shape}, not a row of numbers")
    values = array if scale == 1.0 and array.dtype.kind == "f" else array * np.float64(scale)
    return _plain(path, values, rate_hz, quantity, supply_v, origin)


def read_mlperf(path: Path, marks: Path | None = None, *, origin: str = "measured") -> Recording:
    """Read an energy trace of MLPerf Tiny's runner, as power, with its time stamps as marks.

    The file is a byte 0xF1, the rate in Hz, then the energy of each sample in microjoules, all
    single precision, little-endian.  ``marks`` is a JSON list of seconds.

    Raises
    ------
    TraceError
        When either file is not of that form.
    """
    try:
        data = path.read_bytes()
        stamps = json.loads(marks.read_text()) if marks is not None else []
    except OSError as error:
        raise TraceError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise TraceError(f"{marks}: not JSON: {error}") from error
    if len(data) < 9 or data[0] != MLPERF_MAGIC or (len(data) - 5) % 4:
        raise TraceError(
            f"{path}: {len(data)} bytes, the first {data[:1].hex() or 'absent'}: not an energy "
            "trace (f1, rate, samples of 4 bytes)"
        )
    rate_hz = float(np.frombuffer(data, "<f4", 1, 1)[0])
    if not math.isfinite(rate_hz) or rate_hz <= 0:
        raise TraceError(f"{path}: offset 1: a sampling rate of {rate_hz} Hz")
    seconds = _seconds(marks, stamps)
    energy_uj = np.frombuffer(data, "<f4", -1, 5)
    power_w = energy_uj.astype(np.float64) * (1e-6 * rate_hz)
    recording = _plain(path, power_w, rate_hz, "power", None, origin)
    return dataclasses.replace(
        recording,
        marks=tuple(Mark(s * rate_hz, MLPERF_LINE, rising=False) for s in seconds),
    )


def _seconds(path: Path | None, stamps: object) -> list[float]:
    if not isinstance(stamps, list) or not all(
        isinstance(s, int | float) and math.isfinite(s) and s >= 0 for s in stamps
    ):
        raise TraceError(f"{path}: not a list of seconds")
    if any(b <= a for a, b in itertools.pairwise(stamps)):
        raise TraceError(f"{path}: the time stamps do not ascend")
    return [float(s) for s in stamps]


def _plain(
    path: Path,
    values: NDArray[np.float64],
    rate_hz: float,
    quantity: str,
    supply_v: float | None,
    origin: str,
) -> Recording:
    flags = np.where(np.isfinite(values), 0, LOST).astype(np.uint8)
    return Recording(
        rate_hz=rate_hz,
        values=values,
        flags=flags,
        instrument=_of_file(path, voltage=False, lines=0),
        origin=origin,
        quantity=quantity,
        supply_v=supply_v,
    )


def _of_file(path: Path, voltage: bool, lines: int) -> Capabilities:
    return Capabilities(
        name=f"file {path.name}",
        rates_hz=(),
        current_range_a=None,
        voltage_range_v=None,
        gain_error=None,
        offset_error_a=0.0,
        measures_voltage=voltage,
        digital_lines=lines,
        source="a file does not tell what instrument wrote it",
    )
