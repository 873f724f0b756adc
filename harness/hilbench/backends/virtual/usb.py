"""Make virtual boards visible to this process: as USB device and as serial port.

From here on the measuring code is the one that drives silicon.
"""

from __future__ import annotations

import os
from typing import Any

from hilbench.backends.virtual.board import BoardHandle
from hilbench.backends.virtual.usb_device import (
    MANUFACTURER,
    PRODUCT,
    PRODUCT_ID,
    VENDOR_ID,
    FakeDevice,
)
from hilbench.backends.virtual.wire import BoardGone, Client

#: Sockets of boards, separated by commas, for :func:`plug_from_environment`.
PLUG_VARIABLE = "HILBENCH_VIRTUAL_PLUG"

_plugged: dict[str, tuple[str, Client]] = {}  # socket path -> serial number, connection
_originals: dict[str, Any] = {}


def plug(handle: BoardHandle) -> None:
    """Make a board visible."""
    _plug(handle.socket_path, handle.serial)


def unplug(handle: BoardHandle) -> None:
    """Make a board invisible again; fine when it is."""
    entry = _plugged.pop(handle.socket_path, None)
    if entry is not None:
        entry[1].close()
    if not _plugged:
        _restore()


def plug_from_environment() -> None:
    """Plug the boards that HILBENCH_VIRTUAL_PLUG names.

    For tests of an unmodified hilbench process, from their ``sitecustomize``; nothing else
    calls it.
    """
    for path in filter(None, os.environ.get(PLUG_VARIABLE, "").split(",")):
        serial = Client(path).control("info")["serial"]
        _plug(path, serial)


def _plug(path: str, serial: str) -> None:
    _plugged[path] = (serial, Client(path))
    _install()


def _info(client: Client) -> dict[str, Any] | None:
    try:
        return client.control("info")
    except BoardGone:
        return None


def _install() -> None:
    if _originals:
        return
    import serial.tools.list_ports
    from pyocd.probe.stlink.usb import STLinkUSBInterface

    real_devices = STLinkUSBInterface.get_all_connected_devices
    real_ports = serial.tools.list_ports.comports
    _originals.update(devices=real_devices, ports=real_ports)

    def get_all_connected_devices(cls: Any) -> list[Any]:
        return [*real_devices(), *(cls(device) for device in _devices())]

    def comports(include_links: bool = False) -> list[Any]:
        return [*real_ports(include_links), *_ports()]

    STLinkUSBInterface.get_all_connected_devices = classmethod(get_all_connected_devices)
    serial.tools.list_ports.comports = comports


def _restore() -> None:
    if not _originals:
        return
    import serial.tools.list_ports
    from pyocd.probe.stlink.usb import STLinkUSBInterface

    STLinkUSBInterface.get_all_connected_devices = _originals["devices"]
    serial.tools.list_ports.comports = _originals["ports"]
    _originals.clear()


def _devices() -> list[FakeDevice]:
    found = []
    for serial_number, client in _plugged.values():
        info = _info(client)
        if info is not None and info["probe"]["present"]:
            found.append(FakeDevice(client, serial_number))
    return found


def _ports() -> list[Any]:
    from serial.tools.list_ports_common import ListPortInfo

    found = []
    for serial_number, client in _plugged.values():
        info = _info(client)
        if info is None or not info["port_open"]:
            continue
        port = ListPortInfo(info["port"])
        port.vid, port.pid, port.serial_number = VENDOR_ID, PRODUCT_ID, serial_number
        port.manufacturer, port.product = MANUFACTURER, PRODUCT
        port.description = f"{PRODUCT} (virtual board)"
        port.hwid = f"USB VID:PID={VENDOR_ID:04X}:{PRODUCT_ID:04X} SER={serial_number}"
        found.append(port)
    return found
