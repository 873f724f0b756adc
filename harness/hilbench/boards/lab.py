"""lab.yaml: the physical devices of one lab, by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hilbench.boards.yaml_reader import Mapping, read_mapping

LAB_FILE = "HILBENCH_LAB"


@dataclass(frozen=True)
class Device:
    """One physical board.

    Attributes
    ----------
    name : str
        The lab's name of it, or the probe's serial number where no lab file names it.
    board : str
        Board id.
    probe : str
        The debug probe's serial number.
    port : str or None
        Serial port URL; None = the port with the probe's serial number.
    notes : str
        Free text.
    """

    name: str
    board: str
    probe: str
    port: str | None = None
    notes: str = ""


def lab_path() -> Path | None:
    """The lab file in use: ``$HILBENCH_LAB``, else ``lab.yaml`` here, else none."""
    named = os.environ.get(LAB_FILE)
    if named:
        return Path(named)
    here = Path("lab.yaml")
    return here if here.exists() else None


def load_lab(path: Path | None = None) -> list[Device]:
    """Devices of the lab file; empty when there is none.  Raises ConfigError with the line."""
    path = path or lab_path()
    if path is None:
        return []
    top = read_mapping(path)
    devices = top.take_mapping("devices")
    top.done()
    return [_device(name, devices.take_mapping(name)) for name in devices.names()]


def _device(name: str, entry: Mapping) -> Device:
    device = Device(
        name=name,
        board=entry.take("board", str),
        probe=entry.take("probe", str),
        port=entry.take("port", str, default="") or None,
        notes=entry.take("notes", str, default=""),
    )
    entry.done()
    return device
