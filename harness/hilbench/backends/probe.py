"""Everything that touches pyOCD: finding probes, flashing, verifying, resetting, diagnosing.

The same code serves silicon and the virtual board.  What pyOCD, pyusb or libusb raise is translated
by :mod:`hilbench.backends.probe_errors`, according to the phase in which it struck.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from hilbench.backends.probe_errors import Phase, translated
from hilbench.backends.targets import register_targets
from hilbench.errors import (
    FlashError,
    HilbenchError,
    NoDevice,
    TargetIdentityError,
    TargetLocked,
)

#: An address and the bytes that belong there.
Segment = tuple[int, bytes]
Progress = Callable[[float], None]

#: pyOCD's deadlines, in seconds.  DS10916 table 46: 4 s for the largest sector, 32 s for all.
TIMEOUTS_S = {
    "flash.timeout.init": 5.0,
    "flash.timeout.erase_sector": 10.0,
    "flash.timeout.program": 5.0,
    "flash.timeout.erase_all": 60.0,
    "reset.halt_timeout": 2.0,
}
_DHCSR, _S_RESET_ST = 0xE000_EDF0, 1 << 25
_CFSR, _HFSR, _MMFAR, _BFAR = 0xE000_ED28, 0xE000_ED2C, 0xE000_ED34, 0xE000_ED38
_MMARVALID, _BFARVALID = 1 << 7, 1 << 15
#: NMI, HardFault, MemManage, BusFault, UsageFault (ARMv7-M ARM B1.5.2).
_FAULT_EXCEPTIONS = (2, 3, 4, 5, 6)

# without a handler of its own Python would print pyOCD's warnings on standard error
logging.getLogger("pyocd").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class ProbeInfo:
    """A debug probe that is connected.

    ``vid_pid`` is like ``0483:374b``, empty when unknown; ``board_id`` is the four-character id
    that an on-board probe gives for its board, or None.
    """

    unique_id: str
    description: str
    vid_pid: str
    board_id: str | None


@dataclass(frozen=True)
class FaultState:
    """A core in a fault handler, or locked up.

    ``pc`` and ``lr`` are those of the code that faulted, from the exception frame; where no frame
    is found they are the core's own.  ``address`` is BFAR or MMFAR when one is valid, else None.
    """

    pc: int
    lr: int
    cfsr: int
    hfsr: int
    address: int | None
    exception: int


def list_probes() -> list[ProbeInfo]:
    """Probes that are connected, by unique id.

    Raises
    ------
    ProbeUnusable
        When looking for probes itself fails.
    """
    from pyocd.core.helpers import ConnectHelper

    with translated(Phase.OPENING, "looking for debug probes"):
        probes = ConnectHelper.get_all_connected_probes(blocking=False, print_wait_message=False)
        found = [_describe(probe) for probe in probes]
    return sorted(found, key=lambda info: info.unique_id)


def _describe(probe: Any) -> ProbeInfo:
    link = getattr(probe, "_link", None)
    device = getattr(getattr(link, "_device", None), "_dev", None)
    vid_pid = f"{device.idVendor:04x}:{device.idProduct:04x}" if device is not None else ""
    return ProbeInfo(probe.unique_id, probe.description or "", vid_pid, _board_id(probe))


def _board_id(probe: Any) -> str | None:
    """The id of the board, read from the probe; None when it is silent, busy or too old."""
    from pyocd.core.exceptions import Error

    try:
        board_id = getattr(probe, "board_id", None)
    except (Error, OSError, ValueError):
        return None
    return board_id if isinstance(board_id, str) else None


#: Addresses of an STM32F74x that no bus slave answers (RM0385 2.2.2).
_FAILING_READS = {"unmapped flash": 0x08200000, "unmapped SRAM": 0x20080000}


class ProbeSession:
    """A debug session: one probe, one target.  Use as a context manager, or call :meth:`close`.

    Once the agent has answered, a run needs the probe no more; what fails here belongs to opening
    (exit 4) or to flashing and identification (exit 5).
    """

    def __init__(self, session: Any, unique_id: str) -> None:
        self._session = session
        self.unique_id = unique_id

    # ------------------------------------------------------------ open, close

    @classmethod
    def open(
        cls, unique_id: str, target: str, frequency_hz: int, pack: str | None = None
    ) -> ProbeSession:
        """Open a probe and connect to its target, which goes on running.

        Parameters
        ----------
        unique_id : str
            The probe's serial number, in full.
        target : str
            pyOCD's name of the target.
        frequency_hz : int
            SWD clock in Hz.
        pack : str, optional
            Path of a vendor's CMSIS pack that defines the target.

        Raises
        ------
        NoDevice, ProbeUnusable, DeviceBusy
            The probe is not there, cannot be used, or is taken (exit 4).
        TargetLocked, PrepareError
            The target cannot be reached (exit 5).
        """
        from pyocd.core.session import Session

        register_targets()
        with translated(Phase.OPENING, f"opening probe {unique_id}"):
            session = Session(_find(unique_id), options=_options(target, frequency_hz, pack))
            opened = cls(session, unique_id)
            try:
                session.open(init_board=False)
            except BaseException:
                opened.close()
                raise
        try:
            with translated(Phase.CONNECTING, f"connecting to {target} through probe {unique_id}"):
                session.board.init()
                session._inited = True
            opened._check_access()
        except BaseException:
            opened.close()
            raise
        return opened

    def close(self) -> None:
        """Let go of the target and the probe; never raises, as an earlier error says more."""
        log = logging.getLogger(__name__)
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close()
        except Exception as error:  # whatever a dead probe gives; the session is over
            log.info("closing probe %s: %s", self.unique_id, error)

    def __enter__(self) -> ProbeSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _target(self) -> Any:
        return self._session.target

    # ------------------------------------------------------------ identity

    def info(self) -> dict[str, str]:
        """What to record about the probe: serial number, firmware, and the tool that drives it."""
        import pyocd

        link = getattr(self._session.probe, "_link", None)
        return {
            "unique_id": self.unique_id,
            "product": str(self._session.probe.description),
            "firmware": str(getattr(link, "version_str", None) or "unknown"),
            "pyocd": str(pyocd.__version__),
        }

    def _check_access(self) -> None:
        with translated(Phase.CONNECTING, "checking the target's state"):
            self._target.read32(_DHCSR)  # S_RESET_ST is sticky: the second read counts
            held = bool(self._target.read32(_DHCSR) & _S_RESET_ST)
            level_of = getattr(self._target, "readout_protection", None)
            level = level_of() if level_of is not None and not held else 0
        if held:
            raise TargetLocked(
                f"the target of probe {self.unique_id} is held in reset",
                hint="nothing was written; look for a pressed reset button, or something that "
                "holds NRST low, then run again",
            )
        if level:
            raise TargetLocked(
                f"the target of probe {self.unique_id} has readout protection level {level}",
                hint="nothing was written; level 1 can be removed with ST's tools, which erases "
                "the flash, level 2 cannot",
            )

    def chip_id(self, address: int) -> int:
        """The 32-bit identification register at ``address``."""
        return int.from_bytes(self.read_memory(address, 4), "little")

    def check_chip(self, address: int, mask: int, value: int) -> int:
        """Read the identification register and compare; returns it.

        Raises
        ------
        TargetIdentityError
            When it is not the planned chip.
        """
        found = self.chip_id(address)
        if found & mask != value:
            raise TargetIdentityError(
                f"wrong chip: {found & mask:#x} at {address:#010x}, {value:#x} was expected",
                hint="nothing was written; check which board is connected to probe "
                f"{self.unique_id}, and --board",
            )
        return found

    # ------------------------------------------------------------ memory and flash

    def read_memory(self, address: int, size: int) -> bytes:
        """``size`` bytes of the target's memory."""
        with translated(Phase.FLASHING, f"reading {size} bytes at {address:#010x}"):
            return bytes(self._target.read_memory_block8(address, size))

    def status_codes(self) -> dict[str, str]:
        """What this probe answers to harmless accesses that must fail: to compare with others.

        Returns
        -------
        dict
            Access -> what came back: ``ok``, or the error as pyOCD words it.
        """
        from pyocd.core.exceptions import Error

        answers = {}
        for name, address in _FAILING_READS.items():
            try:
                self._target.read_memory_block8(address, 4)
                answers[name] = "ok"
            except (Error, OSError) as error:
                answers[name] = f"{type(error).__name__}: {error}"
        return answers

    def matches(self, segments: Sequence[Segment]) -> bool:
        """Whether the target's memory already holds all segments, to the byte."""
        return self._first_difference(segments) is None

    def program(self, segments: Sequence[Segment], progress: Progress | None = None) -> None:
        """Program flash and verify all of it by reading back.

        The core is reset and halted first: an interrupt that fires in firmware which still runs
        would find its vector table erased.  Sectors that hold the same already are left alone.

        Parameters
        ----------
        segments : sequence of (address, bytes)
            What to program; sectors are erased as a whole.
        progress : callable, optional
            Called with a fraction from 0 to 1.

        Raises
        ------
        FlashError
            Erasing or programming failed, or the read-back differs: the message has the first
            address, and both values.
        """
        from pyocd.flash.loader import FlashLoader

        self.reset_and_halt()
        with translated(Phase.FLASHING, "programming flash"):
            loader = FlashLoader(
                self._session,
                progress=progress or (lambda _fraction: None),
                chip_erase="sector",
                smart_flash=True,
                trust_crc=False,
                keep_unwritten=False,
            )
            for address, data in segments:
                loader.add_data(address, list(data))
            loader.commit()
        self._verify(segments)

    def _verify(self, segments: Sequence[Segment]) -> None:
        difference = self._first_difference(segments)
        if difference is None:
            return
        address, expected, found = difference
        raise FlashError(
            f"flash differs after programming: {found:#04x} at {address:#010x}, "
            f"{expected:#04x} was written",
            hint="the board does not hold valid firmware now; programming again is safe, and when "
            "the same address differs again its flash is worn out",
        )

    def _first_difference(self, segments: Sequence[Segment]) -> tuple[int, int, int] | None:
        for address, data in segments:
            found = self.read_memory(address, len(data))
            if found != data:
                at = next(i for i, (a, b) in enumerate(zip(found, data, strict=True)) if a != b)
                return address + at, data[at], found[at]
        return None

    # ------------------------------------------------------------ running

    def reset_and_halt(self) -> None:
        """Reset the target and halt it at its first instruction."""
        with translated(Phase.FLASHING, "resetting and halting the target"):
            self._target.reset_and_halt()

    def reset_and_run(self) -> None:
        """Reset the target and let it run; open its serial port first, or its greeting is lost."""
        with translated(Phase.FLASHING, "resetting the target"):
            self._target.reset()

    def fault_state(self) -> FaultState | None:
        """Halt the core and look whether it took a fault; None when it did not.

        Also None when the probe does not answer: this is asked after something else went wrong,
        and that error says more.
        """
        try:
            with translated(Phase.RUNNING, "asking the core for faults"):
                return self._fault_state()
        except HilbenchError as error:
            logging.getLogger(__name__).info("no diagnosis: %s", error)
            return None

    def _fault_state(self) -> FaultState | None:
        from pyocd.core.target import Target

        target = self._target
        locked_up = target.get_state() == Target.State.LOCKUP
        target.halt()
        deadline = time.monotonic() + TIMEOUTS_S["reset.halt_timeout"]
        while target.get_state() != Target.State.HALTED and time.monotonic() < deadline:
            time.sleep(0.01)
        pc, lr, sp, xpsr = (int(target.read_core_register(n)) for n in ("pc", "lr", "sp", "xpsr"))
        exception = xpsr & 0x1FF
        if exception not in _FAULT_EXCEPTIONS and not locked_up:
            return None
        cfsr, hfsr, mmfar, bfar = (target.read32(a) for a in (_CFSR, _HFSR, _MMFAR, _BFAR))
        address = bfar if cfsr & _BFARVALID else mmfar if cfsr & _MMARVALID else None
        pc, lr = self._frame(sp) or (pc, lr)
        return FaultState(pc, lr, cfsr, hfsr, address, exception)

    def _frame(self, sp: int) -> tuple[int, int] | None:
        """PC and LR in the exception frame that is nearest above ``sp``.

        The handler may have pushed since; its entry is looked for by the shape of a frame: a PC in
        code memory and an xPSR with the Thumb bit (ARMv7-M ARM B1.5.6).
        """
        words = self._target.read_memory_block32(sp & ~3, 24)
        for i in range(len(words) - 7):
            lr, pc, xpsr = words[i + 5], words[i + 6], words[i + 7]
            if pc < 0x2000_0000 and xpsr & 0x0100_0000 and not xpsr & 0x00FF_0000:
                return int(pc), int(lr)
        return None


def _options(target: str, frequency_hz: int, pack: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "target_override": target,
        "frequency": frequency_hz,
        "connect_mode": "attach",
        "resume_on_disconnect": False,
        "auto_unlock": False,  # never erase a protected chip unasked
        "hide_programming_progress": True,
        "no_config": True,  # a pyocd.yaml in the current folder is none of ours
        **TIMEOUTS_S,
    }
    if pack is not None:
        options["pack"] = [pack]
    return options


def _find(unique_id: str) -> Any:
    from pyocd.probe.aggregator import DebugProbeAggregator

    probe = DebugProbeAggregator.get_probe_with_id(unique_id)
    if probe is None:
        seen = [info.unique_id for info in list_probes()]
        raise NoDevice(
            f"debug probe {unique_id} is not connected; seen: {', '.join(seen) or 'none'}",
            hint="nothing was touched; check the cable and `hilbench devices`",
        )
    return probe
