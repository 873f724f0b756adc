"""The lock of a device: one owner at a time, named to the others, and no file left behind."""

from __future__ import annotations

import getpass
import multiprocessing
import os
from pathlib import Path

import pytest

from hilbench.backends import lock
from hilbench.backends.lock import DeviceLock
from hilbench.errors import DeviceBusy, HostIOError


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "lock_folder", lambda: tmp_path / "locks")


def test_a_second_run_is_told_who_holds_the_device() -> None:
    first = DeviceLock("probe 1")
    with pytest.raises(DeviceBusy, match=f"process {os.getpid()} of"):
        DeviceLock("probe 1")
    DeviceLock("probe 2").release()
    first.release()
    DeviceLock("probe 1").release()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    DeviceLock("probe").release()
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_host_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(lock, "lock_folder", lambda: tmp_path / "file" / "locks")
    with pytest.raises(HostIOError):
        DeviceLock("probe")


def test_a_user_without_a_name_can_hold_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    first = DeviceLock("probe")
    with pytest.raises(DeviceBusy, match=f"of {os.getuid()},"):
        DeviceLock("probe")
    first.release()


def _contend(folder: Path, rounds: int) -> None:
    lock.lock_folder = lambda: folder / "locks"  # type: ignore[assignment]
    inside = folder / "inside"
    for _ in range(rounds):
        try:
            held = DeviceLock("probe")
        except DeviceBusy:
            continue
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails when another one is inside
        inside.unlink()
        held.release()


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    workers = [multiprocessing.Process(target=_contend, args=(tmp_path, 300)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
