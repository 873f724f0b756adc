"""Traces from files: what was written comes back, and what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import require_shared

from hilbench.errors import TraceError
from hilbench.instruments import trace_file
from hilbench.instruments.base import LOST, Recording
from hilbench.instruments.trace_file import CsvFormat, ppk2_csv, read_csv, read_mlperf, read_npy

PLAIN = CsvFormat(value="i", time="t")


def write(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_real_trace_gives_the_published_energies() -> None:
    """MLPerf Tiny v0.5, Nucleo-L4R5ZI, keyword spotting: each window within one edge sample."""
    folder = require_shared("power-traces/l4r5zi-kws")
    trace = read_mlperf(folder / "trace1-energy.bin", folder / "trace1-timestamps.json")
    published_uj = [737242.570, 737370.410, 737339.170, 737535.150, 737482.150]
    edges = [round(mark.index) for mark in trace.marks[1:]]
    assert trace.rate_hz == 1000.0
    assert trace.lost_samples() == 0
    energies_uj = []
    for start, stop, expected in zip(edges[::2], edges[1::2], published_uj, strict=True):
        power = trace.power_w(start, stop)
        energies_uj.append(power.sum() / trace.rate_hz * 1e6)
        sample_uj = power[[0, -1]].max() / trace.rate_hz * 1e6
        assert abs(energies_uj[-1] - expected) <= sample_uj + 0.01
    assert np.median(energies_uj) / 100 == pytest.approx(7373.704, abs=0.41)


def test_ppk2_export(tmp_path: Path) -> None:
    """Missing samples are left out of the export; only time shows them."""
    rows = [(n * 0.01, 100.0 + n, f"{n % 2}0000001") for n in range(50) if not 20 <= n < 23]
    text = "Timestamp(ms),Current(uA),D0-D7\n" + "".join(
        f"{t:.2f},{i:.3f},{bits}\n" for t, i, bits in rows
    )
    trace = read_csv(write(tmp_path, text), ppk2_csv(3.0))
    assert trace.rate_hz == pytest.approx(100_000, rel=1e-9)
    assert len(trace) == 50
    assert np.flatnonzero(trace.flags & LOST).tolist() == [20, 21, 22]
    assert trace.values[30] == pytest.approx(130e-6)
    assert trace.power_w(30, 31)[0] == pytest.approx(390e-6)
    assert trace.digital is not None
    assert trace.digital[[30, 31]].tolist() == [0x80, 0x81]
    assert trace.digital[20:23].tolist() == [trace.digital[19]] * 3


def test_columns_by_number_voltage_and_fixed_rate(tmp_path: Path) -> None:
    path = write(tmp_path, "x;1.5;3300\nx;;3300\nx;2.5;3200\n\n")
    layout = CsvFormat(
        value=1, value_scale=1e-3, voltage=2, voltage_scale=1e-3, rate_hz=50.0, delimiter=";",
        header=False,
    )  # fmt: skip
    trace = read_csv(path, layout)
    assert trace.rate_hz == 50.0
    assert trace.power_w(0, 3)[[0, 2]] == pytest.approx([1.5e-3 * 3.3, 2.5e-3 * 3.2])
    assert trace.flags.tolist() == [0, LOST, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,j\n0,1\n", r"csv:1: no column 'i'"),
        ("t,i\n0,1\n1,2\n2,oops\n", r"csv:4: 'oops'"),
        ("t,i\n0,1\n1\n", r"csv:3: 1 fields"),
        ("t,i\n0,1\n1,1\n1,1\n", r"csv:4: the time does not advance"),
        ("t,i\n0,1\n1,1\n2,1\n3.5,1\n", r"csv:5: a time step of 1.5"),
        ("t,i\n0,1\nnan,1\n", r"csv:3: the time is not"),
        ("t,i\n", "no samples"),
        ("", "no column"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read_csv(write(tmp_path, text), PLAIN)


def test_logic_levels_that_are_none(tmp_path: Path) -> None:
    head = "Timestamp(ms),Current(uA),D0-D7\n0.00,1,00000000\n"
    for levels in ("00000002", "X0000000", "99999999"):
        with pytest.raises(TraceError, match="csv:3:"):
            read_csv(write(tmp_path, f"{head}0.01,1,{levels}\n"), ppk2_csv(3.0))


def test_absent_file_and_missing_rate(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_csv(tmp_path / "absent.csv", PLAIN)
    with pytest.raises(TraceError, match="sampling rate"):
        read_csv(write(tmp_path, "i\n1\n"), CsvFormat(value="i"))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), min_size=3, max_size=60),
    rate_hz=st.sampled_from([10.0, 999.0, 30_000.0]),
    chunk=st.integers(2, 20),
)
def test_pieces_do_not_show(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], rate_hz: float, chunk: int
) -> None:
    """A file read in small pieces, with gaps anywhere, is the file read at once."""
    index = np.concatenate(([0, 1, 2], 2 + np.cumsum(steps)))
    text = "t,i\n" + "".join(f"{1 + k / rate_hz:.9f},{k}\n" for k in index.tolist())
    path = write(tmp_path_factory.mktemp("csv"), text)
    layout = CsvFormat(value="i", time="t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_file, "CHUNK_LINES", max(chunk, 3))
        trace = read_csv(path, layout)
    assert trace.rate_hz == pytest.approx(rate_hz, rel=1e-5)
    assert np.flatnonzero(trace.flags == 0).tolist() == index.tolist()
    assert trace.values[index].tolist() == index.tolist()


def test_arrays_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "trace.npy"
    np.save(path, np.array([1.0, np.nan, 3.0], np.float32))
    trace = read_npy(path, rate_hz=10.0, supply_v=2.0)
    assert isinstance(trace.values, np.memmap)
    assert trace.flags.tolist() == [0, LOST, 0]
    assert trace.power_w(2, 3).tolist() == [6.0]
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(TraceError, match="shape"):
        read_npy(path, rate_hz=10.0)
    path.write_bytes(b"no array")
    with pytest.raises(TraceError, match="not a numpy array"):
        read_npy(path, rate_hz=10.0)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=40))
def test_random_bytes_are_a_trace_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("random") / "trace"
    path.write_bytes(data)
    for read in (
        lambda: read_mlperf(path),
        lambda: read_npy(path, rate_hz=1.0),
        lambda: read_csv(path, CsvFormat(rate_hz=1.0, header=False)),
    ):
        try:
            trace = read()
        except TraceError:
            continue
        assert isinstance(trace, Recording)
        assert len(trace)


def test_marks_that_are_none(tmp_path: Path) -> None:
    path, marks = tmp_path / "e.bin", tmp_path / "t.json"
    path.write_bytes(b"\xf1" + np.array([1000.0, 1.0, 2.0], "<f4").tobytes())
    assert read_mlperf(path).power_w(0, 2) == pytest.approx([1e-3, 2e-3])
    for text in ("{", "[1, 1]", '["a"]', "{}"):
        marks.write_text(text)
        with pytest.raises(TraceError, match=r"t\.json"):
            read_mlperf(path, marks)
