"""The ST-LINK/V2-1's firmware: the USB commands that pyOCD sends, against the simulated board.

Command and status codes as in pyOCD's ``probe/stlink/constants.py``.  Which status real firmware
gives for readout protection and bus errors is to be calibrated on a board (``doctor
--acceptance``).
"""

from __future__ import annotations

import struct
from typing import Any

from hilbench.backends.virtual.debug import ROM_BASE, BusError
from hilbench.backends.virtual.machine import PIN_RESET, Machine

OK, NO_DEVICE, GET_IDCODE_ERROR = 0x80, 0x05, 0x09
AP_FAULT, DP_ERROR, UNKNOWN_COMMAND = 0x11, 0x16, 0x42
MODE_MASS, MODE_DEBUG = 1, 2
DP_PORT = 0xFFFF
DP_IDR, AP_IDR = 0x5BA0_2477, 0x7477_0001
POWER_UP_REQUESTS = 0x5000_0000
CSW_DEVICE_ENABLED = 0x40
JTAG_VERSION, OLD_JTAG_VERSION, MSC_VERSION = 37, 20, 26
BOARD_ID = b"0816"
#: A write at least this long is a page for the flash algorithm.
PAGE_WRITE_BYTES = 256

READ_MEMORY = {0x07: 4, 0x0C: 1, 0x47: 2}
WRITE_MEMORY = {0x08: 4, 0x0D: 1, 0x48: 2}


class UsbLost(Exception):
    """The USB device is gone."""


class UsbTimeout(Exception):
    """The USB device does not answer."""


class StLink:
    """State of the probe."""

    def __init__(self, machine: Machine) -> None:
        self._m = machine
        self._replies: list[bytes] = []
        self._pending: bytes | None = None
        self._mode = MODE_MASS
        self._status = (OK, 0)
        self._dp: dict[int, int] = {}
        self._csw = 0x4300_0042
        self.transfers = 0
        self.pages = 0
        self.lost = False

    @property
    def present(self) -> bool:
        """Whether the USB device can be enumerated."""
        return not self.lost and not self._m.faults.get("probe_absent", False)

    # ------------------------------------------------------------ USB

    def _transfer(self) -> None:
        faults = self._m.faults
        self.transfers += 1
        limit = faults.get("usb_lost_after")
        if limit is not None and self.transfers > int(limit):
            self.lost = True
        if not self.present:
            raise UsbLost
        silent = faults.get("usb_timeout")
        if silent == "open" or (isinstance(silent, int) and self.transfers > silent):
            raise UsbTimeout

    def write(self, data: bytes) -> None:
        """The host wrote to the OUT endpoint."""
        self._transfer()
        if self._pending is not None:
            command, self._pending = self._pending, None
            self._write_memory(command, data)
            return
        self._command(data)

    def read(self, size: int) -> bytes:
        """The host reads from the IN endpoint."""
        if not self.present:
            raise UsbLost
        if not self._replies:
            raise UsbTimeout
        self._transfer()
        return self._replies.pop(0)[:size]

    def _reply(self, status: int, rest: bytes = b"") -> None:
        self._replies.append(struct.pack("<H", status) + rest)

    # ------------------------------------------------------------ commands

    def _command(self, command: bytes) -> None:
        kind = command[0]
        if kind == 0xF1:
            old = self._m.faults.get("old_probe_firmware", False)
            version = OLD_JTAG_VERSION if old else JTAG_VERSION
            word = 2 << 12 | version << 6 | MSC_VERSION
            self._replies.append(struct.pack(">H", word) + struct.pack("<HH", 0x0483, 0x374B))
        elif kind == 0xF5:
            self._replies.append(bytes([self._mode, 0]))
        elif kind == 0xF7:
            self._replies.append(struct.pack("<II", 1500, 2060))  # 2 x 2060 x 1.2 V / 1500 = 3.3 V
        elif kind == 0xF3:
            self._mode = MODE_MASS
        elif kind == 0xF2:
            self._debug_command(command)

    def _debug_command(self, command: bytes) -> None:
        code = command[1]
        if code == 0x30:
            self._enter()
        elif code == 0x21:
            self._mode = MODE_MASS
        elif code in (0x43, 0x44, 0x4C):
            self._reply(OK)
        elif code == 0x4B:
            self._reply(NO_DEVICE if self._silent else OK)
        elif code == 0x56:
            self._reply(OK, BOARD_ID + bytes(122))
        elif code == 0x3C:
            self._drive_reset(command[2])
        elif code == 0x3E:
            self._reply(self._status[0], struct.pack("<HII", 0, self._status[1], 0))
        elif code == 0x45:
            self._read_dap(*struct.unpack("<HH", command[2:6]))
        elif code == 0x46:
            self._write_dap(*struct.unpack("<HHI", command[2:10]))
        elif code in READ_MEMORY:
            self._read_memory(command)
        elif code in WRITE_MEMORY:
            self._pending = command
        else:
            self._reply(UNKNOWN_COMMAND)

    @property
    def _silent(self) -> bool:
        """Readout protection 2: the debug port does not answer."""
        return int(self._m.faults.get("readout_protection", 0)) == 2

    def _enter(self) -> None:
        if self._silent:
            self._reply(GET_IDCODE_ERROR)
            return
        self._mode = MODE_DEBUG
        self._reply(OK)

    def _drive_reset(self, level: int) -> None:
        if level == 2:
            self._m.reset(PIN_RESET)
        else:
            self._m.hold_reset(level == 0)
        self._reply(OK)

    # ------------------------------------------------------------ debug port, access port

    def _read_dap(self, port: int, address: int) -> None:
        if self._silent:
            self._reply(DP_ERROR, bytes(6))
            return
        self._reply(OK, struct.pack("<HI", 0, self._dap_value(port, address)))

    def _dap_value(self, port: int, address: int) -> int:
        if port == DP_PORT:
            if address & 0xF == 4:
                control = self._dp.get(4, 0)
                return (control & 0x5FFF_FFFF) | (control & POWER_UP_REQUESTS) << 1
            return DP_IDR if address & 0xF == 0 else 0
        if port != 0:
            return 0
        return {0xFC: AP_IDR, 0xF8: ROM_BASE | 3, 0: self._csw | CSW_DEVICE_ENABLED}.get(address, 0)

    def _write_dap(self, port: int, address: int, value: int) -> None:
        if self._silent:
            self._reply(DP_ERROR)
            return
        if port == DP_PORT:
            self._dp[address] = value
        elif address == 0:
            self._csw = value
        self._reply(OK)

    # ------------------------------------------------------------ memory

    def _read_memory(self, command: bytes) -> None:
        address, size = struct.unpack("<IH", command[2:8])
        try:
            data = self._m.debug.read(address, size)
            self._status = (OK, 0)
        except BusError as error:
            data = bytes(size)
            self._status = (AP_FAULT, error.address)
        self._replies.append(data)

    def _write_memory(self, command: bytes, data: bytes) -> None:
        address, size = struct.unpack("<IH", command[2:8])
        if size >= PAGE_WRITE_BYTES:
            self.pages += 1
            if self.pages == self._m.faults.get("usb_lost_at_page"):
                self.lost = True
                raise UsbLost
        try:
            self._m.debug.write(address, data[:size])
            self._status = (OK, 0)
        except BusError as error:
            self._status = (AP_FAULT, error.address)

    def info(self) -> dict[str, Any]:
        """For the control socket."""
        return {"present": self.present, "transfers": self.transfers, "pages": self.pages}
