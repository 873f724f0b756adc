"""A pyusb device that is an ST-LINK/V2-1: its transfers go to the board's process.

It sits beneath pyOCD's own ``STLinkUSBInterface``, so that every exception is pyOCD's.
"""

from __future__ import annotations

import array
import errno
from collections.abc import Iterable

import usb.core

from hilbench.backends.virtual.wire import BoardGone, Client, Op, Status

VENDOR_ID, PRODUCT_ID = 0x0483, 0x374B
MANUFACTURER, PRODUCT = "STMicroelectronics", "STM32 STLink"
_LIBUSB_NO_DEVICE, _LIBUSB_TIMEOUT = -4, -7


class _Context:
    """What ``usb.util`` asks a device for."""

    def managed_claim_interface(self, _device: object, _interface: int) -> None:
        """Claimed."""

    def managed_release_interface(self, _device: object, _interface: int) -> None:
        """Released."""

    def dispose(self, _device: object, _close_handle: bool = True) -> None:
        """Nothing is held."""


class Endpoint:
    """One bulk endpoint."""

    wMaxPacketSize = 64

    def __init__(self, client: Client, address: int) -> None:
        self._client = client
        self.bEndpointAddress = address

    def write(self, data: Iterable[int], timeout: int | None = None) -> int:
        """Send ``data``; returns how many bytes went out."""
        del timeout
        payload = bytes(data)
        _request(self._client, Op.USB_WRITE, payload)
        return len(payload)

    def read(self, size: int, timeout: int | None = None) -> array.array[int]:
        """Receive up to ``size`` bytes."""
        del timeout
        return array.array("B", _request(self._client, Op.USB_READ, size.to_bytes(4, "little")))


def _request(client: Client, op: Op, payload: bytes) -> bytes:
    try:
        status, data = client.request(op, payload)
    except BoardGone:
        status, data = Status.USB_LOST, b""
    if status is Status.USB_TIMEOUT:
        raise usb.core.USBTimeoutError("Operation timed out", _LIBUSB_TIMEOUT, errno.ETIMEDOUT)
    if status is not Status.OK:
        text = "No such device (it may have been disconnected)"
        raise usb.core.USBError(text, _LIBUSB_NO_DEVICE, errno.ENODEV)
    return data


class FakeDevice:
    """A device as ``usb.core.find`` gives it."""

    idVendor = VENDOR_ID
    idProduct = PRODUCT_ID
    manufacturer = MANUFACTURER
    product = PRODUCT

    def __init__(self, client: Client, serial_number: str) -> None:
        self.serial_number = serial_number
        self._ctx = _Context()
        # OUT, IN and trace endpoints of a V2-1
        self._endpoints = [Endpoint(client, address) for address in (0x01, 0x81, 0x82)]

    def get_active_configuration(self) -> dict[tuple[int, int], list[Endpoint]]:
        """Interface 0, alternate setting 0."""
        return {(0, 0): self._endpoints}
