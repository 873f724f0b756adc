"""A real board: pyOCD for the probe, pyserial for the link.  The virtual board uses this as well.

The probe's serial number joins probe and serial port.  The port is opened before the reset, since
the agent speaks at once; everything that may be busy or missing is opened before anything is
touched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hilbench.backends.base import Prepared, Progress
from hilbench.backends.lock import DeviceLock
from hilbench.backends.ports import list_ports, same_probe
from hilbench.backends.probe import ProbeInfo, ProbeSession, list_probes
from hilbench.boards import BackendSpec, Board, load_lab
from hilbench.boards import Device as LabDevice
from hilbench.boards.firmware import Firmware, check_board
from hilbench.device import Device
from hilbench.errors import (
    AmbiguousDevice,
    AttestationError,
    HilbenchError,
    LinkLost,
    NoDevice,
    TargetFault,
)
from hilbench.link import Link, open_link


class SiliconBackend:
    """One connected board."""

    def __init__(self, board: Board, spec: BackendSpec, device: str | None) -> None:
        assert board.probe is not None  # the catalogue checks it
        self._board, self._spec, self._wanted = board, spec, device
        self._probe_spec = board.probe
        self._lock: DeviceLock | None = None
        self._link: Link | None = None
        self._session: ProbeSession | None = None
        self._symbol: Callable[[int], str] = _no_symbol
        self._touched = False

    # ------------------------------------------------------------ acquire

    def acquire(self) -> str:
        device = find_device(self._board, self._wanted, self._spec.facts.silicon)
        port = device.port or _port_of(device.probe)
        self._lock = DeviceLock(device.probe)
        self._link = open_link(port, self._board.uart.baud)
        self._session = ProbeSession.open(
            device.probe,
            self._probe_spec.target,
            self._probe_spec.frequency_hz,
            self._probe_spec.pack,
        )
        return f"{device.name} on {port}"

    # ------------------------------------------------------------ prepare

    def prepare(self, firmware: Firmware, image: bytes, progress: Progress) -> Prepared:
        session, spec = self._opened(), self._probe_spec
        self._touched = True
        self._symbol = firmware.symbol
        session.check_chip(spec.chip_id_address, spec.chip_id_mask, spec.chip_id_value)
        check_board(firmware, self._board.id)
        unique_id = session.read_memory(spec.unique_id_address, spec.unique_id_bytes)
        segments = [(s.address, s.data) for s in firmware.segments]
        segments.append((self._board.image_slot.address, image))
        facts = {"probe": session.info(), "unique_id": unique_id.hex()}
        if session.matches(segments):
            note = "flashing skipped: firmware and image are already there (verified by read-back)"
            return Prepared(unique_id, (note,), facts)
        session.program(segments, lambda fraction: progress("flash", fraction))
        size = sum(len(data) for _, data in segments)
        note = f"flashed {size:,} bytes and verified them by read-back"
        return Prepared(unique_id, (note,), facts)

    def start(self) -> Device:
        assert self._link is not None
        self._link.drain(0.0)
        self._opened().reset_and_run()
        return Device(self._link, self._symbol)

    def _leave_reset(self, session: ProbeSession) -> None:
        """Whatever ran is over: the board waits as after power-on."""
        if not self._touched:
            return
        try:
            session.reset_and_run()
        except HilbenchError as error:  # the probe may be gone: the first cause says more
            logging.getLogger(__name__).info("leaving the board: %s", error.message)

    def _opened(self) -> ProbeSession:
        assert self._session is not None, "acquire first"
        return self._session

    # ------------------------------------------------------------ trial, diagnose, close

    def counter_reads(self, last: int) -> list[tuple[int, int]]:
        return []

    def diagnose(self, error: HilbenchError) -> HilbenchError:
        """Ask the core, through the probe, why it went silent."""
        if not isinstance(error, LinkLost | AttestationError) or self._session is None:
            return error
        fault = self._session.fault_state()
        if fault is None:
            return error
        name = self._symbol(fault.pc & ~1)
        kind = AttestationError if isinstance(error, AttestationError) else TargetFault
        return kind(
            f"{error.message}; the core is in a fault handler: PC 0x{fault.pc:08X}"
            f"{f' ({name})' if name else ''}, LR 0x{fault.lr:08X}, CFSR 0x{fault.cfsr:08X}, "
            f"HFSR 0x{fault.hfsr:08X}",
            hint=error.hint,
        )

    def probe_trial(self) -> dict[str, str]:
        return self._opened().status_codes()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        if self._session is not None:
            self._leave_reset(self._session)
            self._session.close()
        if self._lock is not None:
            self._lock.release()


def _no_symbol(address: int) -> str:
    return ""


# ---------------------------------------------------------------- finding a device


def matching_devices(board: Board, probes: list[ProbeInfo]) -> list[LabDevice]:
    """Connected devices that are this board: by the lab file, else by the probe's own board id."""
    assert board.probe is not None
    named = load_lab()
    found = []
    for probe in probes:
        lab = next((d for d in named if same_probe(d.probe, probe.unique_id)), None)
        if lab is not None:
            if lab.board == board.id:
                found.append(lab)
        elif probe.board_id == board.probe.board_id:
            found.append(LabDevice(probe.unique_id, board.id, probe.unique_id))
    return found


def _unreadable_devices(board: Board, probes: list[ProbeInfo]) -> list[LabDevice]:
    """Probes of the right kind that do not tell their board: opening one will say why."""
    assert board.probe is not None
    return [
        LabDevice(probe.unique_id, board.id, probe.unique_id)
        for probe in probes
        if probe.board_id is None and probe.vid_pid in board.probe.usb
    ]


def find_device(board: Board, wanted: str | None, silicon: bool = True) -> LabDevice:
    """The one device to use; on ``silicon`` the error says how to do without.

    Raises
    ------
    NoDevice
        None matches; says what was looked for and what was seen.
    AmbiguousDevice
        Several match; lists them.
    """
    assert board.probe is not None
    probes = list_probes()
    found = matching_devices(board, probes) or _unreadable_devices(board, probes)
    if wanted is not None:
        found = [d for d in found if wanted in (d.name, d.probe)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "; ".join(f"{d.name} (probe {d.probe})" for d in found)
        raise AmbiguousDevice(
            f"{len(found)} connected boards are {board.id}: {listed}",
            hint="nothing was touched; choose one with --device NAME",
        )
    seen = "; ".join(f"{p.description} {p.unique_id} (board id {p.board_id})" for p in probes)
    named = f" named {wanted!r}" if wanted else ""
    raise NoDevice(
        f"no {board.title}{named} is connected: looked for a probe of kind {board.probe.kind} with "
        f"board id {board.probe.board_id}, saw {seen or 'no probe at all'}",
        hint=_instead(board) if silicon else "the simulated board has no probe",
    )


def _instead(board: Board) -> str:
    text = "nothing was touched; connect the board (`hilbench doctor` helps)"
    if "virtual" in board.backends:
        text += (
            f"\n  the same run without hardware: hilbench run --board {board.id} --backend virtual"
        )
    return text


def _port_of(probe: str) -> str:
    ports = list_ports()
    found = [port.device for port in ports if same_probe(port.serial_number, probe)]
    if found:
        return found[0]
    seen = ", ".join(f"{port.device} ({port.serial_number})" for port in ports)
    raise NoDevice(
        f"probe {probe} has no serial port: saw {seen or 'no serial port at all'}",
        hint="nothing was touched; name the port in lab.yaml, or look at the cable and the driver",
    )
