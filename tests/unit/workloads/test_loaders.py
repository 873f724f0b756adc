"""Reading other people's files: hashes, pickles that may only be arrays, what is missing."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from hilbench.errors import BlockedError, ToolMissing, VectorError
from hilbench.workloads import mnist, motion_data, packages, speech
from hilbench.workloads.packages import check, checked_bytes, installed_file
from hilbench.workloads.restricted_pickle import read_object_array


def object_file(content: object, protocol: int = 2) -> bytes:
    """A ``.npy`` file of one pickled object, as ``numpy.save`` writes it."""
    array = np.empty((), dtype=object)
    array[()] = content
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    pickle.dump(array, stream, protocol=protocol)
    return stream.getvalue()


def test_arrays_lists_and_strings_are_read() -> None:
    data = {"X": [np.arange(6.0).reshape(2, 3)], "y": np.array([3, 4]), "names": ["a", "b"]}
    for protocol in (2, 4):
        found = read_object_array(object_file(data, protocol), "file")
        np.testing.assert_array_equal(found["X"][0], data["X"][0])
        np.testing.assert_array_equal(found["y"], data["y"])
        assert found["names"] == ["a", "b"]


class Runs:
    """Unpickling it would call ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> object:
        return os.system, (self.command,)


def test_a_hostile_pickle_is_refused_before_it_does_anything(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    hostile = object_file({"X": [Runs(f"touch {mark}")]})
    with pytest.raises(VectorError, match=r"the pickle asks for (posix|nt)\.system"):
        read_object_array(hostile, "file")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy", "ndarray.tofile"),
        ("codecs", "encode"),
        ("importlib", "import_module"),
    ],
)
def test_only_four_names_are_known(module: str, name: str) -> None:
    stream = io.BytesIO(object_file(0))
    np.lib.format.read_magic(stream)
    np.lib.format.read_array_header_1_0(stream)
    header = stream.getvalue()[: stream.tell()]
    with pytest.raises(VectorError, match="the pickle asks for"):
        read_object_array(header + f"c{module}\n{name}\n.".encode(), "file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", object_file([1, 2])[:-9]])
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(VectorError):
        read_object_array(content, "file")


def test_another_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose file differs in one byte is not read at all."""
    (tmp_path / "otherdata").mkdir()
    (tmp_path / "otherdata" / "__init__.py").write_text("raise RuntimeError('was imported')")
    (tmp_path / "otherdata" / "x.bin").write_bytes(b"abc")
    monkeypatch.syspath_prepend(str(tmp_path))
    good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc"
    assert checked_bytes("otherdata", "x.bin", good, "pip") == b"abc"
    (tmp_path / "otherdata" / "x.bin").write_bytes(b"abd")
    with pytest.raises(BlockedError, match="is not the file that this workload was made from"):
        checked_bytes("otherdata", "x.bin", good, "pip")
    with pytest.raises(BlockedError, match=r"SHA-256 [0-9a-f]{64}, expected aa"):
        check(b"abc", "aa", "this")


def test_motion_reads_only_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hostile file in its place fails on the hash, before it is unpickled."""
    path = tmp_path / "watch_dataset.npy"
    path.write_bytes(object_file({"X": [Runs(f"touch {tmp_path / 'was-here'}")]}))
    monkeypatch.setattr(packages, "installed_file", lambda module, relative: path)
    motion_data.recordings.cache_clear()
    with pytest.raises(BlockedError, match="SHA-256"):
        motion_data.recordings()
    assert not (tmp_path / "was-here").exists()


def test_what_is_missing_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_file("no_such_package_of_this_name", "x") is None
    for module in (packages, motion_data, mnist):
        monkeypatch.setattr(module, "installed_file", lambda module, relative: None)
    motion_data.recordings.cache_clear()
    mnist._table.cache_clear()
    for missing, load, extra in (
        (motion_data.missing, motion_data.recordings, "motion"),
        (mnist.missing, lambda: mnist.examples("held-out"), "mnist"),
    ):
        assert f"hilbench[{extra}]" in (missing() or "")
        with pytest.raises(ToolMissing) as caught:
            load()
        assert f"hilbench[{extra}]" in (caught.value.hint or "")
        assert caught.value.exit_code == 4


def test_missing_synthesizers_are_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert speech.missing() == "apt-get install espeak-ng flite"
    with pytest.raises(ToolMissing, match="espeak-ng, which is not on PATH") as caught:
        speech.speak("yes", speech.Voice("espeak-ng", "m1"), speech.Manner("en-us", 1.0, 1.0))
    assert caught.value.hint == "apt-get install espeak-ng flite"
