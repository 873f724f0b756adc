"""What is missing, who is in the way, and how to mend it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hilbench.backends.ports import list_ports
from hilbench.boards import Board
from hilbench.errors import HilbenchError

ENOUGH_DISK_BYTES = 200 << 20
UDEV_RULE = (
    'echo \'SUBSYSTEM=="usb", ATTR{idVendor}=="0483", MODE="0666"\' | '
    "sudo tee /etc/udev/rules.d/50-stlink.rules && sudo udevadm control --reload && "
    "sudo udevadm trigger"
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    what : str
    status : str
        ``ok``, ``absent`` (not needed by everyone) or ``problem``.
    seen : str
    remedy : str
        Empty when there is nothing to do.
    """

    what: str
    status: str
    seen: str
    remedy: str = ""


def examine(boards: dict[str, Board], out: Path) -> list[Finding]:
    """Look at everything; no look can end the others."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _probes,
        _ports,
        lambda: _targets(boards),
        _virtual,
        lambda: _emulators(boards),
        lambda: _disk(out),
    )
    findings: list[Finding] = []
    for look in looks:
        try:
            findings.extend(look())
        except HilbenchError as error:
            findings.append(Finding("look", "problem", error.message, error.hint or ""))
    return findings


def _probes() -> Iterator[Finding]:
    from hilbench.backends.probe import list_probes

    probes = list_probes()
    if not probes:
        yield Finding(
            "debug probes", "absent", "none connected", "connect a board's ST-LINK USB port"
        )
    for probe in probes:
        yield Finding("debug probe", "ok", f"{probe.description} {probe.unique_id}")
    for device in _usb_devices("0483"):
        if not os.access(device, os.R_OK | os.W_OK):
            yield Finding("USB permission", "problem", f"no access to {device}", UDEV_RULE)


def _usb_devices(vendor: str) -> Iterator[Path]:
    for entry in sorted(Path("/sys/bus/usb/devices").glob("*/idVendor")):
        if entry.read_text().strip() == vendor:
            bus = int((entry.parent / "busnum").read_text())
            number = int((entry.parent / "devnum").read_text())
            yield Path(f"/dev/bus/usb/{bus:03d}/{number:03d}")


def _ports() -> Iterator[Finding]:
    ports = list_ports()
    if not ports:
        yield Finding("serial ports", "absent", "none")
    for port in ports:
        holders = port_holders(Path(port.device))
        if holders:
            listed = ", ".join(f"{name} (process {pid})" for pid, name in holders)
            yield Finding(
                "serial port", "problem", f"{port.device} is held by {listed}", "end that program"
            )
        elif not os.access(port.device, os.R_OK | os.W_OK):
            group = _group(Path(port.device))
            yield Finding(
                "serial port",
                "problem",
                f"no permission for {port.device}",
                f"sudo usermod -aG {group} $USER, then log in again",
            )
        else:
            yield Finding("serial port", "ok", f"{port.device} ({port.description})")


def _group(path: Path) -> str:
    import grp

    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def port_holders(port: Path) -> list[tuple[int, str]]:
    """(pid, name) of other processes that have the port open, as far as they can be seen."""
    try:
        target = port.stat().st_rdev
    except OSError:
        return []
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            files = [file.stat() for file in (process / "fd").iterdir()]
            name = (process / "comm").read_text().strip()
        except OSError:
            continue  # it ended meanwhile, or belongs to another user
        if any(stat.S_ISCHR(f.st_mode) and f.st_rdev == target for f in files):
            found.append((int(process.name), name))
    return found


def _targets(boards: dict[str, Board]) -> Iterator[Finding]:
    from hilbench.backends.targets import register_targets

    register_targets()
    from pyocd.target import TARGET

    for board in boards.values():
        if board.probe is None:
            continue
        if board.probe.pack is not None and not Path(board.probe.pack).exists():
            yield Finding(
                "CMSIS pack", "problem", f"{board.probe.pack} is missing", "mend boards.yaml"
            )
        elif board.probe.pack is not None or board.probe.target in TARGET:
            yield Finding("pyOCD target", "ok", f"{board.probe.target} for {board.id}")
        else:
            yield Finding(
                "pyOCD target",
                "problem",
                f"pyOCD does not know {board.probe.target} ({board.id})",
                "name a CMSIS pack in boards.yaml (probe.pack)",
            )


def _virtual() -> Iterator[Finding]:
    if find_spec("unicorn") is None:
        yield Finding(
            "virtual board", "absent", "unicorn is not installed", "pip install 'hilbench[virtual]'"
        )
        return
    compiler = shutil.which("cc")
    if compiler is None:
        yield Finding(
            "virtual board",
            "ok",
            "works, slowly: no C compiler for its counter",
            "apt-get install gcc",
        )
    else:
        yield Finding("virtual board", "ok", f"unicorn, and {compiler} for the fast counter")


def _emulators(boards: dict[str, Board]) -> Iterator[Finding]:
    needed = {
        (spec.system, spec.package)
        for board in boards.values()
        for spec in board.backends.values()
        if spec.system
    }
    for system, package in sorted(needed):
        path = shutil.which(system)
        if path is None:
            yield Finding(
                "emulator", "absent", f"{system} is missing", f"apt-get install {package}"
            )
        else:
            yield Finding("emulator", "ok", path)


def _disk(out: Path) -> Iterator[Finding]:
    folder = out if out.exists() else Path()
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        yield Finding(
            "results folder", "problem", f"{folder.resolve()} is read-only", "choose one with --out"
        )
    elif free < ENOUGH_DISK_BYTES:
        yield Finding(
            "disk", "problem", f"{free >> 20} MiB free in {folder.resolve()}", "make room"
        )
    else:
        yield Finding("disk", "ok", f"{free >> 20:,} MiB free in {folder.resolve()}")
