"""The PPK2's stream against words written from its documented layout, and a pty that misbehaves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.simulated_ppk2 import SimulatedPpk2, Waveform, encode, metadata

from hilbench.errors import InstrumentLost, NoDevice, ProbeUnusable, UsageError
from hilbench.instruments import ppk2_protocol as wire
from hilbench.instruments.base import CORRUPT, LOST, RANGE_SWITCH, SATURATED, Block, Setup
from hilbench.instruments.ppk2 import Ppk2
from hilbench.instruments.record import record

SIMPLE = wire.parse_metadata(metadata()[:-4])


def decode(data: bytes, cuts: list[int], *, spike_filter: bool = False) -> Block:
    """All samples of a stream that comes in pieces cut at ``cuts``."""
    decoder = wire.StreamDecoder(SIMPLE, 3.3, spike_filter=spike_filter)
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    blocks = [decoder.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    blocks.append(decoder.finish())
    at = 0
    for block in blocks:
        assert block.first_index == at
        at += len(block)
    assert decoder.samples_received + decoder.samples_lost == at
    digital = [b.digital for b in blocks if b.digital is not None]
    return Block(
        0,
        np.concatenate([b.current_a for b in blocks]),
        np.concatenate([b.flags for b in blocks]),
        np.concatenate(digital),
    )


def same(a: Block, b: Block) -> bool:
    assert a.digital is not None
    assert b.digital is not None
    return bool(
        np.array_equal(a.current_a, b.current_a, equal_nan=True)
        and np.array_equal(a.flags, b.flags)
        and np.array_equal(a.digital, b.digital)
    )


def square(n: int, low_a: float = 0.12e-3, high_a: float = 8e-3) -> NDArray[np.uint32]:
    wave = np.where(np.arange(n) // 50 % 2 == 1, high_a, low_a)
    return encode(wave, (wave == high_a).astype(np.uint8))


# ---------------------------------------------------------------- conversion


def test_conversion_by_hand() -> None:
    """I = UG (x (GS x + GI) + S V + I0), x = (4 adc - O) 1.8 / 163840 / R, term by term."""
    changes = {"R2": "10", "GS2": "2", "GI2": "1.5", "O2": "40", "S2": "1e-6", "I2": "2e-6"}
    calibration = wire.parse_metadata(metadata(**changes, UG2="0.5")[:-4])
    x = (4 * 1000 - 40) * 1.8 / 163840 / 10
    expected = 0.5 * (x * (2 * x + 1.5) + 1e-6 * 3.0 + 2e-6)
    got = calibration.current_a(np.array([1000], np.uint32), np.array([2], np.uint8), 3.0)
    assert got[0] == pytest.approx(expected, rel=1e-12)


def test_calibration_that_is_not_a_number_keeps_the_default_and_says_so() -> None:
    calibration = wire.parse_metadata(metadata(R1="-nan", GI3="x", R4="0")[:-4])
    assert calibration.defaulted == ("R1", "R4", "GI3")
    assert calibration.r_ohm[1] == 101.65
    assert calibration.r_ohm[4] == 0.043
    assert calibration.vdd_mv == 3300
    assert calibration.calibrated


@given(st.binary(max_size=400))
def test_any_metadata_gives_finite_coefficients(text: bytes) -> None:
    calibration = wire.parse_metadata(text)
    assert all(map(math.isfinite, calibration.r_ohm + calibration.ug))
    assert min(calibration.r_ohm) > 0


def test_known_currents_come_back() -> None:
    currents = np.array([1e-6, 40e-6, 300e-6, 2e-3, 30e-3, 0.5])
    block = decode(encode(currents, np.arange(6, dtype=np.uint8)).astype("<u4").tobytes(), [])
    resolution = 4 * 1.8 / 163840 / np.array([1031.64, 1031.64, 101.65, 10.15, 0.94, 0.043])
    assert np.all(np.abs(block.current_a - currents) <= 0.5001 * resolution + 1e-7 * currents)
    assert block.digital is not None
    assert block.digital.tolist() == [0, 1, 2, 3, 4, 5]


def test_regulator_is_big_endian() -> None:
    assert wire.regulator(3300) == bytes.fromhex("0d0ce4")
    with pytest.raises(ValueError, match="799"):
        wire.regulator(799)


# ---------------------------------------------------------------- stream


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 145), st.integers(0, 70)), max_size=4),
    cuts=st.lists(st.integers(0, 600), max_size=30),
    spoilt=st.lists(st.integers(0, 279), max_size=3),
    spike_filter=st.booleans(),
)
def test_any_chunking_decodes_alike(
    gaps: list[tuple[int, int]], cuts: list[int], spoilt: list[int], spike_filter: bool
) -> None:
    words = square(150)
    keep = np.ones(150, np.bool_)
    for start, count in gaps:
        keep[start : start + count] = False
    data = bytearray(words[keep].astype("<u4").tobytes())
    for position in sorted(spoilt, reverse=True):  # single bytes lost
        del data[position : position + 1]
    whole = decode(bytes(data), [], spike_filter=spike_filter)
    assert same(decode(bytes(data), cuts, spike_filter=spike_filter), whole)
    assert same(decode(bytes(data), list(range(len(data))), spike_filter=spike_filter), whole)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(12, 40), st.integers(0, 63)), min_size=1, max_size=6))
def test_lost_samples_are_where_the_counter_says(runs: list[tuple[int, int]]) -> None:
    """Runs of (samples kept, samples lost); a loss of at most 63 is known exactly."""
    n = sum(kept + lost for kept, lost in runs) + 20
    lost = np.zeros(n, np.bool_)
    at = 0
    for kept, gone in runs:
        lost[at + kept : at + kept + gone] = True
        at += kept + gone
    current = np.linspace(1e-3, 4e-3, n)
    words = encode(current, np.zeros(n, np.uint8))
    block = decode(words[~lost].astype("<u4").tobytes(), [])
    assert np.array_equal(block.flags & LOST != 0, lost)
    assert np.array_equal(np.isnan(block.current_a), lost)
    assert np.allclose(block.current_a[~lost], current[~lost], atol=3e-6)


@pytest.mark.parametrize("gone", [1, 2, 3, 5])
def test_lost_bytes_are_found_again(gone: int) -> None:
    words = square(400)
    data = words.astype("<u4").tobytes()
    decoder = wire.StreamDecoder(SIMPLE, 3.3)
    first = decoder.feed(data[:803] + data[803 + gone :])
    blocks = [first, decoder.finish()]
    current = np.concatenate([b.current_a for b in blocks])
    intact = decode(data, []).current_a
    assert decoder.framing_slips == 1
    assert len(current) == 400
    assert np.array_equal(current[205:], intact[205:])
    assert np.array_equal(current[:200], intact[:200])


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=8))
def test_random_bytes_never_crash(data: bytes, cuts: list[int]) -> None:
    block = decode(data, cuts)
    unknown = block.flags & (LOST | CORRUPT) != 0
    assert np.array_equal(np.isnan(block.current_a), unknown)
    assert len(block) <= 64 * (len(data) // 4)


def test_range_switches_and_saturation_are_flagged() -> None:
    words = square(200)
    words[120] = 0x3FFF | 3 << 14 | (120 % 64) << 18
    flags = decode(words.astype("<u4").tobytes(), []).flags
    switched = set(np.flatnonzero(flags & RANGE_SWITCH).tolist())
    assert {50, 51, 52, 100, 101, 102, 150, 151, 152} <= switched
    assert 53 not in switched
    assert np.flatnonzero(flags & SATURATED).tolist() == [120]


def test_spike_filter_by_hand() -> None:
    words = encode(np.array([1e-3, 1e-3, 20e-3, 20e-3, 20e-3, 20e-3]), np.zeros(6, np.uint8))
    data = words.astype("<u4").tobytes()
    plain = decode(data, []).current_a.astype(np.float64)
    average = plain[0]
    expected = [plain[0]]
    for n in range(1, 6):
        average = 0.18 * plain[n] + 0.82 * average
        expected.append(average if 2 <= n <= 4 else plain[n])
    assert decode(data, [], spike_filter=True).current_a == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------- the driver, over a pty


@contextmanager
def simulated(waveform: Waveform) -> Iterator[SimulatedPpk2]:
    instrument = SimulatedPpk2(waveform)
    try:
        yield instrument
    finally:
        instrument.close()


@pytest.mark.parametrize("chunks", [(4096,), (1, 2, 3, 4, 5, 6, 7)])
def test_records_a_waveform(chunks: tuple[int, ...]) -> None:
    words = square(4000)
    with simulated(Waveform(words, drop=(slice(1000, 1040),), chunk_bytes=chunks)) as far:
        ppk2 = Ppk2(far.url)
        recording = record(ppk2, Setup(3.3), stop=lambda n: n >= 4000, origin="synthetic")
        ppk2.close()
        assert far.log[:2] == [b"\x07", b"\x19"]
        wanted = [b"\x11\x02", b"\x0d\x0c\xe4", b"\x0c\x01", b"\x06", b"\x07"]
        assert [c for c in far.log if c in wanted][1:6] == wanted
    assert len(recording) == 4000
    assert recording.lost_samples() == 40
    assert recording.lost_samples(1000, 1040) == 40
    intact = decode(words.astype("<u4").tobytes(), []).current_a
    kept = recording.flags & LOST == 0
    assert np.array_equal(recording.values[kept], intact[kept])
    assert recording.origin == "synthetic"


def test_ampere_mode_and_defaulted_calibration() -> None:
    with simulated(Waveform(square(100), metadata=metadata(R0="-nan"))) as far:
        ppk2 = Ppk2(far.url)
        recording = record(ppk2, Setup(1.8, source=False), stop=lambda n: n >= 100)
        ppk2.close()
        assert b"\x11\x01" in far.log
    assert recording.notes == ("calibration: defaults stand for R0",)
    assert recording.supply_v == 1.8


def test_unplugging_in_mid_stream() -> None:
    with simulated(Waveform(square(100_000), vanish_after_bytes=20_000)) as far:
        ppk2 = Ppk2(far.url)
        with pytest.raises(InstrumentLost, match="gone"):
            record(ppk2, Setup(3.3), stop=lambda n: False)
        ppk2.close()


def test_silence_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilbench.instruments.ppk2.SILENCE_DEADLINE_S", 0.3)
    with simulated(Waveform(square(100))) as far:
        ppk2 = Ppk2(far.url)
        with pytest.raises(InstrumentLost, match="sent nothing"):
            record(ppk2, Setup(3.3), stop=lambda n: False)
        ppk2.close()


def test_what_is_not_a_ppk2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilbench.instruments.ppk2.METADATA_DEADLINE_S", 0.3)
    with simulated(Waveform(square(1), metadata=b"")) as far, pytest.raises(ProbeUnusable):
        Ppk2(far.url)
    with pytest.raises(NoDevice):
        Ppk2("/dev/hilbench-no-such-port")


def test_what_it_cannot_do_is_refused() -> None:
    with simulated(Waveform(square(1))) as far:
        ppk2 = Ppk2(far.url)
        for setup in (Setup(5.5), Setup(3.3, rate_hz=1000.0)):
            with pytest.raises(UsageError):
                ppk2.configure(setup)
        with pytest.raises(UsageError, match="armed"):
            next(ppk2.stream(lambda: True))
        ppk2.close()
