"""Nordic PPK2 on the wire: commands, calibration, and the stream of 4-byte samples.

Sources: the constants and the conversion of Nordic's own application (pc-nrfconnect-ppk,
``src/constants.ts`` and ``src/device/serialDevice.ts``, commit 8da7626e).  Commands are raw bytes
without framing or acknowledgement; samples come at 100 kHz as little-endian words:

====== =====================================
bits   meaning
====== =====================================
0-13   ADC reading, in units of 4 counts
14-16  range, 0 (most sensitive) to 4
18-23  counter, modulo 64
24-31  logic port D0 to D7
====== =====================================
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.instruments.base import CORRUPT, LOST, RANGE_SWITCH, SATURATED, Block

RATE_HZ = 100_000.0
RANGES = 5
MAX_CURRENT_A = 1.0
#: 1.8 V reference over the ADC's full scale, as Nordic's application has it.
VOLTS_PER_COUNT = 1.8 / 163840
ADC_FULL_SCALE = 0x3FFF
#: Samples after a range switch that are not yet settled (Nordic filters as many).
SETTLING_SAMPLES = 3
#: Weights of the newest sample in Nordic's spike filter; the second is that of range 4.
FILTER_ALPHA, FILTER_ALPHA_HIGH = 0.18, 0.06
MIN_VOLTAGE_MV, MAX_VOLTAGE_MV = 800, 5000

START = b"\x06"
STOP = b"\x07"
GET_METADATA = b"\x19"
AMPERE_METER = b"\x11\x01"
SOURCE_METER = b"\x11\x02"
DUT_ON = b"\x0c\x01"
DUT_OFF = b"\x0c\x00"

#: Words whose counter must be wrong, and then right after a shift, before bytes count as lost.
SLIP_WORDS = 8
_WORD = 4


def regulator(voltage_mv: int) -> bytes:
    """Command that sets the supply; ``voltage_mv`` from 800 to 5000."""
    if not MIN_VOLTAGE_MV <= voltage_mv <= MAX_VOLTAGE_MV:
        raise ValueError(f"{voltage_mv} mV is outside {MIN_VOLTAGE_MV} to {MAX_VOLTAGE_MV} mV")
    return b"\x0d" + struct.pack(">H", voltage_mv)


@dataclass(frozen=True)
class Calibration:
    """What a PPK2 knows about itself; each tuple has one value per range.

    Attributes
    ----------
    r_ohm : tuple of float
        Shunts.
    gs, gi, o, s, i, ug : tuple of float
        Coefficients of the conversion (see :meth:`current_a`).
    calibrated : bool
    vdd_mv : int or None
        Set-point that the instrument reported.
    hw : str or None
        Hardware revision.
    defaulted : tuple of str
        Keys that were absent or not a number, for which Nordic's defaults stand.
    """

    r_ohm: tuple[float, ...] = (1031.64, 101.65, 10.15, 0.94, 0.043)
    gs: tuple[float, ...] = (1.0,) * RANGES
    gi: tuple[float, ...] = (1.0,) * RANGES
    o: tuple[float, ...] = (0.0,) * RANGES
    s: tuple[float, ...] = (0.0,) * RANGES
    i: tuple[float, ...] = (0.0,) * RANGES
    ug: tuple[float, ...] = (1.0,) * RANGES
    calibrated: bool = False
    vdd_mv: int | None = None
    hw: str | None = None
    defaulted: tuple[str, ...] = ()

    def current_a(
        self, field: NDArray[np.uint32], ranges: NDArray[np.uint8], supply_v: float
    ) -> NDArray[np.float64]:
        """Currents, A, of ADC fields (0 to 0x3FFF) taken in ``ranges`` (0 to 4)."""
        table = np.array([self.r_ohm, self.gs, self.gi, self.o, self.s, self.i, self.ug])
        r, gs, gi, o, s, i, ug = table[:, ranges]
        x = (field * 4.0 - o) * VOLTS_PER_COUNT / r
        return np.asarray(ug * (x * (gs * x + gi) + s * supply_v + i), np.float64)


def parse_metadata(text: bytes) -> Calibration:
    """Calibration from the answer to :data:`GET_METADATA` (lines ``KEY: value``, then ``END``).

    An absent, malformed or non-finite coefficient keeps its default and is listed in
    ``defaulted``; a shunt that is not positive counts as malformed.
    """
    values = dict(re.findall(r"^\s*(\w+)\s*:\s*(\S+)\s*$", text.decode("ascii", "replace"), re.M))
    plain = Calibration()
    defaulted: list[str] = []

    def row(key: str, defaults: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(number(f"{key}{n}", default) for n, default in enumerate(defaults))

    def number(key: str, default: float) -> float:
        try:
            value = float(values.get(key, "nan"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (key.startswith("R") and value <= 0):
            defaulted.append(key)
            return default
        return value

    vdd = values.get("VDD", "")
    return Calibration(
        r_ohm=row("R", plain.r_ohm),
        gs=row("GS", plain.gs),
        gi=row("GI", plain.gi),
        o=row("O", plain.o),
        s=row("S", plain.s),
        i=row("I", plain.i),
        ug=row("UG", plain.ug),
        calibrated=values.get("Calibrated", "0") not in ("0", "false"),
        vdd_mv=int(vdd) if vdd.isdigit() else None,
        hw=values.get("HW"),
        defaulted=tuple(defaulted),
    )


class StreamDecoder:
    """Bytes in any chunking -> blocks of samples.

    The counter of each word says how many samples are missing before it (modulo 64); they become
    lost samples, so that indices stay true.  When words stop fitting the counter and fit again
    after a shift of 1 to 3 bytes, bytes were lost: the stream is taken up there, and
    ``framing_slips`` counts it.  What is decoded depends on the bytes only, never on the chunks.

    Parameters
    ----------
    calibration : Calibration
    supply_v : float
    spike_filter : bool
        Replace the samples after a range switch by a running average, as Nordic's application
        does in outline.  Off by default: the filter moves energy out of short windows (about 2 %
        of a window of 1 ms); the samples are flagged either way.
    """

    def __init__(
        self, calibration: Calibration, supply_v: float, *, spike_filter: bool = False
    ) -> None:
        self.samples_received = 0
        self.samples_lost = 0
        self.framing_slips = 0
        self._calibration, self._supply_v = calibration, supply_v
        self._filter = SpikeFilter() if spike_filter else None
        self._pending = b""
        self._counter: int | None = None
        self._range: int | None = None
        self._settling = 0
        self._digital = 0
        self._index = 0

    def feed(self, data: bytes) -> Block:
        """Samples that are complete with these bytes (none, perhaps)."""
        return self._decode(self._pending + data, final=False)

    def finish(self) -> Block:
        """Samples that were held back; up to 3 bytes of an incomplete one are dropped."""
        return self._decode(self._pending, final=True)

    def _decode(self, data: bytes, *, final: bool) -> Block:
        words: list[NDArray[np.uint32]] = []
        missing: list[NDArray[np.int64]] = []
        while True:
            block = np.frombuffer(data, "<u4", len(data) // _WORD)
            counters = (block >> 18 & 63).astype(np.int64)
            steps = self._missing(counters)
            accept, shift = _accepted(data, steps, final=final)
            words.append(block[:accept])
            missing.append(steps[:accept])
            if accept:
                self._counter = int(counters[accept - 1])
            data = data[accept * _WORD + shift :]
            if not shift:
                break
            self.framing_slips += 1
        self._pending = b"" if final else data
        return self._block(np.concatenate(words), np.concatenate(missing))

    def _missing(self, counters: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many samples the counter says are missing before each word."""
        previous = np.empty_like(counters)
        if len(counters):
            first = counters[0] - 1 if self._counter is None else self._counter
            previous[0], previous[1:] = first, counters[:-1]
        return (counters - previous - 1) % 64

    def _block(self, words: NDArray[np.uint32], missing: NDArray[np.int64]) -> Block:
        at = np.arange(len(words)) + np.cumsum(missing)
        total = int(at[-1]) + 1 if len(at) else 0
        ranges = (words >> 14 & 7).astype(np.uint8)
        field = words & np.uint32(ADC_FULL_SCALE)
        valid = ranges < RANGES
        current = np.full(len(words), np.nan)
        current[valid] = self._calibration.current_a(field[valid], ranges[valid], self._supply_v)
        flags = np.where(valid, 0, CORRUPT).astype(np.uint8)
        flags[valid & ((field == ADC_FULL_SCALE) | (current > MAX_CURRENT_A))] |= SATURATED
        settling = self._settling_mask(ranges, valid)
        flags[settling] |= RANGE_SWITCH
        if self._filter is not None:
            current = self._filter.apply(current, settling, ranges)

        first = self._index
        self._index += total
        self.samples_received += len(words)
        self.samples_lost += total - len(words)
        all_current = np.full(total, np.nan, np.float32)
        all_flags = np.full(total, LOST, np.uint8)
        all_current[at], all_flags[at] = current, flags
        return Block(first, all_current, all_flags, self._spread_digital(words, missing))

    def _settling_mask(
        self, ranges: NDArray[np.uint8], valid: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which words come within the first samples after a range switch."""
        mask = np.zeros(len(ranges), np.bool_)
        where = np.flatnonzero(valid)
        if not len(where):
            return mask
        known = ranges[where].astype(np.int16)
        previous = np.empty_like(known)
        previous[0] = known[0] if self._range is None else self._range
        previous[1:] = known[:-1]
        count = np.zeros(len(known), np.bool_)
        count[: self._settling] = True
        switches = np.flatnonzero(known != previous)
        for later in range(SETTLING_SAMPLES):
            reached = switches + later
            count[reached[reached < len(known)]] = True
        carried = max(0, self._settling - len(known))
        if len(switches):
            carried = max(carried, int(switches[-1]) + SETTLING_SAMPLES - len(known))
        self._settling, self._range = max(0, carried), int(known[-1])
        mask[where] = count
        return mask

    def _spread_digital(
        self, words: NDArray[np.uint32], missing: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Logic port at every index; a lost sample repeats the last that arrived."""
        levels = (words >> 24).astype(np.uint8)
        if not len(levels):
            return levels
        before = np.concatenate((np.array([self._digital], np.uint8), levels[:-1]))
        self._digital = int(levels[-1])
        pairs = np.stack((before, levels), axis=1).ravel()
        return np.repeat(pairs, np.stack((missing, np.ones_like(missing)), axis=1).ravel())


def _accepted(data: bytes, steps: NDArray[np.int64], *, final: bool) -> tuple[int, int]:
    """How many words to take as they are, and how many bytes to drop after them.

    Stops before a word whose counter is wrong while it is undecided whether samples or single
    bytes were lost, which takes the next 8 words to see.
    """
    wrong = steps != 0
    if not wrong.any():
        return len(steps), 0
    # Loss is certain where a right word follows within the next words.
    for p in np.flatnonzero(wrong):
        run = wrong[p : p + SLIP_WORDS]
        if not run.all():
            continue
        if (p + SLIP_WORDS + 1) * _WORD > len(data):
            return (len(steps), 0) if final else (int(p), 0)
        for shift in (1, 2, 3):
            start = int(p) * _WORD + shift
            shifted = np.frombuffer(data, "<u4", SLIP_WORDS, start) >> 18 & 63
            if np.all((shifted[1:] - shifted[:-1]) % 64 == 1):
                return int(p), shift
    return len(steps), 0


class SpikeFilter:
    """Running averages of the current that stand in for samples after a range switch.

    One average weighs the newest sample with 0.18, one, used in range 4, with 0.06.  A loop in
    Python: about 1e6 samples per second.
    """

    def __init__(self) -> None:
        self._fast: float | None = None
        self._slow: float | None = None

    def apply(
        self,
        current_a: NDArray[np.float64],
        settling: NDArray[np.bool_],
        ranges: NDArray[np.uint8],
    ) -> NDArray[np.float64]:
        """Filtered currents, shape (n,); where nothing settles they are as they came."""
        out = current_a.copy()
        fast, slow = self._fast, self._slow
        for n, value in enumerate(current_a.tolist()):
            if math.isnan(value):
                continue
            fast = value if fast is None else fast + FILTER_ALPHA * (value - fast)
            slow = value if slow is None else slow + FILTER_ALPHA_HIGH * (value - slow)
            if settling[n]:
                out[n] = slow if ranges[n] == RANGES - 1 else fast
        self._fast, self._slow = fast, slow
        return out
