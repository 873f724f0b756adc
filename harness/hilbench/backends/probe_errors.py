"""From what pyOCD, pyusb and the operating system raise to hilbench's own errors, by phase.

pyOCD wraps USB errors in ``ProbeError``, and lets some ``ValueError``, ``TypeError`` and
``OSError`` through; which exit code they deserve depends on what had been done when they struck.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

from hilbench.errors import (
    DeviceBusy,
    FlashError,
    HilbenchError,
    PrepareError,
    ProbeUnusable,
    TargetLocked,
    TargetLost,
)


class Phase(Enum):
    """What was going on."""

    OPENING = auto()  # nothing touched: exit 4
    CONNECTING = auto()  # to the target: exit 5
    FLASHING = auto()  # exit 5
    RUNNING = auto()  # the agent has answered: exit 6


_AGAIN = "the board may hold incomplete firmware; running the same again is safe, and repairs it"
_UNTOUCHED = "nothing was written"


@contextmanager
def translated(phase: Phase, doing: str) -> Iterator[None]:
    """Run the body; what it raises becomes a :class:`~hilbench.errors.HilbenchError`.

    Parameters
    ----------
    phase : Phase
        Decides the class, and with it the exit code.
    doing : str
        What was being done, for the message: "opening probe 066…".
    """
    import usb.core
    from pyocd.core.exceptions import Error

    try:
        yield
    except HilbenchError:
        raise
    except (
        Error,
        usb.core.USBError,
        usb.core.NoBackendError,
        OSError,
        ValueError,
        TypeError,
        AssertionError,
    ) as error:
        raise _translate(phase, doing, error) from error


def _usb_errno(error: BaseException) -> int | None:
    """Number of the USB error at the root, if one is."""
    import usb.core

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, usb.core.USBTimeoutError):
            return errno.ETIMEDOUT
        if isinstance(cause, usb.core.USBError):
            return cause.errno or errno.EIO
        cause = cause.__cause__ or cause.__context__
    return None


def _translate(phase: Phase, doing: str, error: Exception) -> HilbenchError:
    code = _usb_errno(error)
    what = {
        errno.ENODEV: "the probe disappeared from USB",
        errno.ETIMEDOUT: "the probe did not answer in time on USB",
        errno.EACCES: "no permission to use the probe",
        errno.EBUSY: "another program holds the probe",
    }.get(code or 0, str(error) or type(error).__name__)
    message = f"{doing}: {what}"
    if phase is Phase.OPENING:
        return _opening(message, code, error)
    if phase is Phase.RUNNING:
        return TargetLost(
            message, hint="what was recorded is kept; check cable and power, then `hilbench resume`"
        )
    if phase is Phase.CONNECTING:
        return _connecting(message, code, error)
    return _flashing(message, code, error)


def _opening(message: str, code: int | None, error: Exception) -> HilbenchError:
    if code == errno.EBUSY:
        return DeviceBusy(message, hint=f"{_UNTOUCHED}; end the other program (an IDE, a debugger)")
    if code == errno.EACCES:
        hint = "install a udev rule for the probe: `hilbench doctor` has it"
    elif "older firmware" in str(error) or "does not support JTAG/SWD" in str(error):
        hint = "update the probe's firmware with ST's STLinkUpgrade, then run again"
    else:
        hint = "unplug the probe and plug it in again, then run again"
    return ProbeUnusable(message, hint=f"{_UNTOUCHED}; {hint}")


def _connecting(message: str, code: int | None, error: Exception) -> HilbenchError:
    if code is not None:
        return PrepareError(message, hint=f"{_UNTOUCHED}; check the cable, then run again")
    silent = ("IDCODE", "not detected", "No device connected", "DP error")
    if any(part in str(error) for part in silent):
        return TargetLocked(
            f"{message}: the target's debug port is silent (readout protection level 2, or no "
            "power)",
            hint=f"{_UNTOUCHED}; check the board's power; level 2 cannot be removed",
        )
    return PrepareError(message, hint=f"{_UNTOUCHED}; check the board's power, then run again")


def _flashing(message: str, code: int | None, error: Exception) -> HilbenchError:
    from pyocd.core import exceptions

    if code is not None:
        return FlashError(message, hint=f"check the cable; {_AGAIN}")
    if isinstance(error, exceptions.FlashFailure):
        reason = "the flash does not get ready" if "timed out" in str(error) else _flags(error)
        return FlashError(f"{message}{reason and f' ({reason})'}", hint=_AGAIN)
    if isinstance(error, exceptions.CoreRegisterAccessError):
        return TargetLocked(
            f"{message}: the core does not halt", hint=f"is it held in reset? {_AGAIN}"
        )
    return FlashError(message, hint=_AGAIN)


#: Error flags of FLASH_SR, which the algorithm returns with 0x100 set (RM0385 3.7.4).
_FLAGS = {1: "OPERR", 4: "WRPERR", 5: "PGAERR", 6: "PGPERR", 7: "ERSERR"}
#: Codes of firmware/flash_algorithm/stm32f746.c.
_CODES = {0x200: "busy for ever", 0x201: "locked until reset", 0x202: "address outside of flash"}


def _flags(error: Exception) -> str:
    code = getattr(error, "result_code", None)
    if not isinstance(code, int):
        return ""
    if code in _CODES:
        return _CODES[code]
    return ", ".join(name for bit, name in _FLAGS.items() if code & 0x100 and code >> bit & 1)
