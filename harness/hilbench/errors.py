"""Everything that can go wrong, and the exit code of each.

Only ``cli/`` catches :class:`HilbenchError`; it prints the message, then the hint.  A message says
what happened and to what; a hint says what is safe and what to do next.  Which class to raise is
decided by *when* the first cause struck (DESIGN: the first cause wins):

- nothing touched yet -> :class:`UsageError` (bad input) or :class:`BlockedError` (it is missing)
- flashing, identifying, attesting -> :class:`PrepareError`
- running -> :class:`TargetLost`, :class:`MeasurementError`
- the host itself -> :class:`HostIOError`
"""

from __future__ import annotations

EXIT_BUG = 70

#: code -> (name, meaning, JUnit outcome); docs/exit-codes.md is generated from it.
EXIT_CODES: dict[int, tuple[str, str, str]] = {
    0: ("ok", "Fine.", "passed"),
    1: ("regression", "A gate failed, or a quality target that was asked for was missed.",
        "failure"),
    2: ("usage", "Bad input: arguments, YAML, model, unsupported op, model does not fit, "
        "workloads differ, bundle altered or unreadable.", "error"),
    3: ("invalid", "The measurement is invalid, found while measuring.", "error"),
    4: ("blocked", "Nothing touched yet: probe, port, tool or package missing, busy, locked or "
        "ambiguous.", "skipped"),
    5: ("prepare", "Flash, identity or attestation failed.", "error"),
    6: ("lost", "Link or target lost in mid-run.", "error"),
    7: ("undecided", "Too few samples to decide (gate).", "skipped"),
    70: ("bug", "A bug of hilbench; the traceback is kept in the bundle.", "error"),
    74: ("host-io", "Host I/O: disk full, folder read-only.", "error"),
    130: ("interrupted", "Interrupted by the user.", "error"),
}  # fmt: skip


class HilbenchError(Exception):
    """Base of every error that a user can meet.

    Parameters
    ----------
    message : str
        What happened, and to what.
    hint : str, optional
        What is safe, and what to do next.
    """

    exit_code = EXIT_BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# ---------------------------------------------------------------- 1


class QualityTargetMissed(HilbenchError):
    """``--require-target`` was given and the workload's target was missed."""

    exit_code = 1


# ---------------------------------------------------------------- 2


class UsageError(HilbenchError):
    """Bad input, found before anything was touched."""

    exit_code = 2


class ConfigError(UsageError):
    """boards.yaml or lab.yaml is malformed; the message has file and line."""


class ModelError(UsageError):
    """The model file is malformed, or asks for what cannot be done."""


class UnsupportedOp(ModelError):
    """An operator or a type that the engine lacks; names the operator and its tensor."""


class ImageTooLarge(ModelError):
    """The model does not fit; the message says by how many bytes of which memory."""


class VectorError(UsageError):
    """Inputs or labels given by the user cannot be used."""


class TraceError(UsageError):
    """A recorded power trace cannot be read; the message has file and line (or offset)."""


class BundleError(UsageError):
    """A bundle is altered, unreadable, or cannot be resumed."""


class SchemaError(HilbenchError):
    """Bytes do not fit the schema.  The link drops such frames; elsewhere it is a bug."""

    exit_code = EXIT_BUG


# ---------------------------------------------------------------- 3


class MeasurementError(HilbenchError):
    """The measurement is invalid: what was seen contradicts what the numbers would claim."""

    exit_code = 3


class ClockMismatch(MeasurementError):
    """The core's clock, timed by the host, is not what the firmware says."""


class AlignmentError(MeasurementError):
    """Edges that the instrument saw cannot be matched to the device's own marks."""


# ---------------------------------------------------------------- 4


class BlockedError(HilbenchError):
    """Nothing was touched: something that is needed is missing or taken."""

    exit_code = 4


class ToolMissing(BlockedError):
    """An external tool or an optional Python package is missing; the hint installs it."""


class NoDevice(BlockedError):
    """No connected device matches; the message names what was looked for and what was seen."""


class AmbiguousDevice(BlockedError):
    """Several connected devices match; all are listed."""


class DeviceBusy(BlockedError):
    """Another run, or another program, holds the probe or the port."""


class ProbeUnusable(BlockedError):
    """The probe is there and cannot be used: too old a firmware, no permission, no answer."""


# ---------------------------------------------------------------- 5


class PrepareError(HilbenchError):
    """The target could not be brought into the planned state."""

    exit_code = 5


class FlashError(PrepareError):
    """Erasing, programming or verifying flash failed."""


class TargetIdentityError(PrepareError):
    """The chip, or the firmware on it, is not the planned one."""


class AttestationError(PrepareError):
    """HELLO differs from the plan, or does not come."""


class TargetLocked(PrepareError):
    """Readout protection, or a core held in reset."""


# ---------------------------------------------------------------- 6


class TargetLost(HilbenchError):
    """The link or the target was lost in mid-run; what was recorded is kept."""

    exit_code = 6


class LinkLost(TargetLost):
    """The serial port is gone, or the device is silent past its deadline."""


class InstrumentLost(TargetLost):
    """The energy instrument is gone, or silent past its deadline, in mid-recording."""


class TargetFault(TargetLost):
    """The firmware took a HardFault (or trap); PC, LR and symbol are in the message."""


class DeviceError(TargetLost):
    """The device ended the run with an error status."""


# ---------------------------------------------------------------- 74, 130


class HostIOError(HilbenchError):
    """The host's disk is full, a folder read-only."""

    exit_code = 74


class Interrupted(HilbenchError):
    """The user pressed Ctrl-C; the bundle can be resumed."""

    exit_code = 130
