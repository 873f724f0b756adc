"""Faults that a simulated board can have, as a dictionary (JSON) from a test or the environment.

====================== =====================================================================
key                    meaning
====================== =====================================================================
probe_absent           true: the USB device is not there
usb_lost_after         n: the USB device disappears after n transfers
usb_lost_at_page       n: it disappears while the n-th page is sent to the flash algorithm
usb_timeout            "open" or n: no USB answer at all, or none after n transfers
old_probe_firmware     true: the probe's firmware is older than pyOCD supports
chip_id                value of DBGMCU_IDCODE
readout_protection     1 or 2 (RM0385 3.6)
held_in_reset          true: NRST is held low by something on the board
stuck_low, stuck_high  {address: bits} of flash bytes that cannot be 1, or 0
flash_decay            {address: bits} of flash bytes that flip by themselves ...
flash_decay_after      ... after n bytes to the device (0)
flash_busy             true: BSY never clears
flash_error_at         address whose programming sets OPERR
uart_to_device,        {drop, corrupt, duplicate: probability per byte; drop_at, corrupt_at,
uart_to_host           duplicate_at: positions; mute_after: n; delay_s; seed}
port_gone_after        n: the serial port disappears after n bytes to the host
clock_factor           simulated seconds per second: 0.9 is a crystal that is 10 % slow.  Only the
                       time base changes: the link works, and the clock check has to see it
hse_absent             true: the ST-LINK gives no clock, HSE never gets ready
caches_off             true: CCR.IC and CCR.DC stay 0
hard_fault             {address, count}: the instruction there is undefined from the n-th time on
bus_error_after        n: the n-th peripheral access from now ends in an (imprecise) bus error
====================== =====================================================================
"""

from __future__ import annotations

from typing import Any

from hilbench.backends.virtual.line import WireFaults
from hilbench.backends.virtual.memory import FLASH_AXIM
from hilbench.backends.virtual.peripherals.flash import RDP_LEVEL_0, RDP_LEVEL_2, FlashFaults

_NAMES = """probe_absent usb_lost_after usb_lost_at_page usb_timeout old_probe_firmware chip_id
readout_protection held_in_reset stuck_low stuck_high flash_decay flash_decay_after
flash_busy flash_error_at uart_to_device
uart_to_host port_gone_after clock_factor hse_absent caches_off hard_fault bus_error_after"""
KEYS = frozenset(_NAMES.split())
RDP_BYTES = {0: RDP_LEVEL_0, 1: 0x55, 2: RDP_LEVEL_2}


def check(faults: dict[str, Any]) -> dict[str, Any]:
    """Return ``faults``; raises ValueError for a key that does not exist."""
    unknown = set(faults) - KEYS
    if unknown:
        raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
    return faults


def number(value: int | str) -> int:
    """An integer, or a string such as "0x08002000" (JSON keys are strings)."""
    return int(value, 0) if isinstance(value, str) else int(value)


def by_offset(bits: dict[str, int]) -> dict[int, int]:
    """Offset in flash -> bits, from addresses."""
    return {number(address) - FLASH_AXIM: number(mask) for address, mask in bits.items()}


def flash_faults(faults: dict[str, Any]) -> FlashFaults:
    """The part that concerns the flash cells."""
    at = faults.get("flash_error_at")
    return FlashFaults(
        stuck_low=by_offset(faults.get("stuck_low", {})),
        stuck_high=by_offset(faults.get("stuck_high", {})),
        busy_for_ever=bool(faults.get("flash_busy", False)),
        operation_error_at=None if at is None else number(at) - FLASH_AXIM,
    )


def wire_faults(faults: dict[str, Any], direction: str) -> tuple[WireFaults, float]:
    """Faults of one direction of the line, and its extra delay in seconds."""
    entry = dict(faults.get(direction, {}))
    delay_s = float(entry.pop("delay_s", 0.0))
    return WireFaults(**entry), delay_s
