"""Bundles: sealed ones are verified, torn journals are cut, everything else is refused by name."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import BundleError, HostIOError
from hilbench.store import BundleWriter, Journal, list_bundles, open_bundle, read_journal
from hilbench.store.journal import decode_line, encode_line

PLAN = {"board": "toy"}


def new(tmp_path: Path) -> BundleWriter:
    return BundleWriter.create(tmp_path, "toy", PLAN, {"model.tflite": b"model"})


def sealed(tmp_path: Path) -> Path:
    writer = new(tmp_path)
    writer.journal.append("sample", v=0)
    writer.write_array("outputs.npy", np.arange(6, dtype=np.int8).reshape(2, 3))
    return writer.seal().folder


def test_sealed_bundle_reads_back(tmp_path: Path) -> None:
    bundle = open_bundle(sealed(tmp_path))
    assert bundle.sealed
    assert bundle.plan["board"] == "toy"
    assert bundle.journal() == [{"event": "sample", "v": 0}]
    outputs = bundle.array("outputs.npy")
    assert outputs is not None
    assert outputs.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [b.run for b in list_bundles(tmp_path)] == [bundle.run]


@pytest.mark.parametrize("name", ["plan.json", "journal.jsonl", "outputs.npy", "model.tflite"])
def test_any_changed_byte_is_named(tmp_path: Path, name: str) -> None:
    folder = sealed(tmp_path)
    path = folder / name
    data = bytearray(path.read_bytes())
    position = data.index(b"y") if name == "plan.json" else len(data) - 1
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=name):
        open_bundle(folder)


def test_a_damaged_bundle_is_listed_beside_the_others(tmp_path: Path) -> None:
    whole, junk, no_verdict = (sealed(tmp_path) for _ in range(3))
    (junk / "plan.json").write_bytes(b"\xff")
    (no_verdict / "metrics.json").write_text("{}")
    (whole / "metrics.json").write_text('{"verdict": {"status": "valid"}}')
    states = {bundle.folder: bundle.state for bundle in list_bundles(tmp_path)}
    assert states == {whole: "valid", junk: "damaged", no_verdict: "damaged"}


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', '{"files": {"plan.json": 3}}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    folder = sealed(tmp_path)
    (folder / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(folder)


def test_missing_and_added_files_are_named(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    (folder / "extra.txt").write_text("x")
    with pytest.raises(BundleError, match=r"extra\.txt was added"):
        open_bundle(folder)
    (folder / "extra.txt").unlink()
    (folder / "outputs.npy").unlink()
    with pytest.raises(BundleError, match=r"outputs\.npy is missing"):
        open_bundle(folder)


def test_other_version_and_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        open_bundle(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps({"bundle_version": 99}))
    with pytest.raises(BundleError, match="version 99"):
        open_bundle(tmp_path)


def test_without_manifest_it_is_interrupted_and_can_be_reopened(tmp_path: Path) -> None:
    writer = new(tmp_path)
    writer.journal.append("sample", v=0)
    with pytest.raises(BundleError, match="another process"):
        BundleWriter.reopen(writer.folder)
    writer.close()
    assert not open_bundle(writer.folder).sealed
    again = BundleWriter.reopen(writer.folder)
    again.journal.append("sample", v=1)
    again.seal()
    assert [e["v"] for e in open_bundle(writer.folder).journal()] == [0, 1]
    with pytest.raises(BundleError, match="complete"):
        BundleWriter.reopen(writer.folder)


@settings(deadline=None)
@given(st.integers(1, 200))
def test_a_torn_last_line_is_cut_and_nothing_before_it(torn: int) -> None:
    lines = [encode_line({"event": "sample", "v": v, "out": "ab" * v}) for v in range(5)]
    data = b"".join(lines)[:-torn] if torn < sum(map(len, lines)) else b""
    kept, events = b"", []
    for line in lines:
        if not data.startswith(kept + line):
            break
        kept += line
        events.append(decode_line(line))
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "journal.jsonl").write_bytes(data)
        assert read_journal(folder) == events
        journal = Journal(folder)
        journal.append("more")
        journal.close()
        assert read_journal(folder) == [*events, {"event": "more"}]


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    lines = [encode_line({"event": "sample", "v": v}) for v in range(3)]
    (tmp_path / "journal.jsonl").write_bytes(lines[0] + b"x" + lines[1] + lines[2])
    with pytest.raises(BundleError, match="line 2 is damaged"):
        read_journal(tmp_path)


def test_read_only_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/1/results")  # root may write anywhere but here
    else:
        tmp_path.chmod(0o500)
        target = tmp_path / "results"
    with pytest.raises(HostIOError) as caught:
        BundleWriter.create(target, "toy", PLAN, {})
    assert str(target) in caught.value.message


def test_full_disk_in_mid_line_loses_nothing_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system takes half a line, then says ENOSPC (a fake: the real one is slow)."""
    journal = Journal(tmp_path)
    journal.append("sample", v=0)
    real_write, calls = os.write, []

    def full(file: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 1:
            return real_write(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("hilbench.store.journal.os.write", full)
        with pytest.raises(HostIOError, match="disk is full"):
            journal.append("sample", v=1)
    assert [e["v"] for e in read_journal(tmp_path)] == [0]
    journal.append("sample", v=2)
    assert [e["v"] for e in read_journal(tmp_path)] == [0, 2]
