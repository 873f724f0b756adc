"""Serial ports of this computer, joined to debug probes by the USB serial number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PortInfo:
    """One serial port.

    Attributes
    ----------
    device : str
        Path or URL to open.
    serial_number : str or None
        Of the USB device that carries it.
    description : str
    """

    device: str
    serial_number: str | None
    description: str


def list_ports() -> list[PortInfo]:
    """All serial ports that are there."""
    from serial.tools import list_ports as tool

    return [PortInfo(p.device, p.serial_number, p.description) for p in tool.comports()]


def same_probe(serial_number: str | None, probe: str) -> bool:
    """Whether a USB serial number is the probe's; tools differ in the case of its letters."""
    return serial_number is not None and serial_number.lower() == probe.lower()
