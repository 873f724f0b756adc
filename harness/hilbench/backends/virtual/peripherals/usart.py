"""USART3 and the line to the host, in line time (RM0385 31).

Bytes are due by an absolute schedule: ten bits each at the sender's baud rate.  :meth:`advance`
moves everything that is due; with DMA whole runs of bytes at once.  A byte that arrives while RXNE
is still set is lost and sets ORE, however fast or slow the host machine is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.exceptions import FIRST_IRQ, Exceptions
from hilbench.backends.virtual.line import HostPort, Wire
from hilbench.backends.virtual.peripherals.dma import (
    MEMORY_TO_PERIPHERAL,
    PERIPHERAL_TO_MEMORY,
    USART3_RX,
    USART3_TX,
    Dma,
)
from hilbench.backends.virtual.peripherals.gpio import Gpio
from hilbench.backends.virtual.simtime import SimTime

IRQ = FIRST_IRQ + 39  # RM0385 10.1.2 table 46
UE, RE, TE, IDLEIE, RXNEIE, TCIE, TXEIE = (1 << i for i in (0, 2, 3, 4, 5, 6, 7))
FE, NF, ORE, IDLE, RXNE, TC, TXE, BUSY, TEACK, REACK = (
    1 << i for i in (1, 2, 3, 4, 5, 6, 7, 16, 21, 22)
)
EIE, DMAR, DMAT, OVRDIS = 1 << 0, 1 << 6, 1 << 7, 1 << 12
RXFRQ, TXFRQ = 1 << 3, 1 << 4
CLEARABLE = FE | NF | ORE | IDLE | TC
FRAME_BITS = 10
#: USART3 to the ST-LINK: PD8 (TX) and PD9 (RX), AF7 (UM1974 6.9, DS10916 table 12).
TX_PIN, RX_PIN, ALTERNATE = 8, 9, 7
#: Tolerance of the receiver: RM0385 31.5.5 tables 155 and 156, worst case of 8N1.
BAUD_TOLERANCE = 0.0333
UNLIMITED_BYTE_S = 1e-6
#: How long sent bytes may wait before they are handed to the host, in seconds.
FLUSH_S = 0.002


class Usart:
    """USART3, wired to the host's serial port.

    Parameters
    ----------
    clock_hz : callable
        Kernel clock in Hz.
    unlimited : bool
        Ignore the baud rate's timing (not the baud rate): a microsecond for a byte.
    """

    def __init__(
        self,
        bus: Bus,
        time: SimTime,
        exceptions: Exceptions,
        dma: Dma,
        gpio: Gpio,
        port: HostPort,
        clock_hz: Callable[[], float],
        unlimited: bool,
    ) -> None:
        self._bus, self._time, self._exceptions = bus, time, exceptions
        self._dma, self._gpio, self.port = dma, gpio, port
        self._clock_hz, self._unlimited = clock_hz, unlimited
        self.to_device, self.to_host = Wire(), Wire()
        self.delay_s = {"to_device": 0.0, "to_host": 0.0}
        self.gone_after: int | None = None
        self._data_register = bus.table.address("USART3_RDR"), bus.table.address("USART3_TDR")
        self.errors = {"overrun": 0, "framing": 0, "unheard": 0}
        for name in ("CR1", "CR2", "CR3", "BRR"):
            bus.on_write(f"USART3_{name}", partial(self._configure, name))
        bus.on_read("USART3_ISR", lambda: self._isr)
        bus.on_write("USART3_ICR", self._clear)
        bus.on_write("USART3_RQR", self._request)
        bus.on_read("USART3_RDR", self._read_data)
        bus.on_write("USART3_TDR", self._write_data)
        self._incoming: deque[tuple[float, bytes]] = deque()
        self._line_free_s = 0.0
        self._sent = bytearray()
        self._late: deque[tuple[float, bytes]] = deque()
        self.reset()

    def reset(self) -> None:
        """State after reset.  What the host is sending keeps coming."""
        self._isr = TC | TXE
        self._dirty = True
        self._rdr = 0
        self._tdr: int | None = None
        self._shifting: int | None = None
        self._shift_end_s = 0.0
        self._idle_due_s = math.inf
        self._flush_due_s = math.inf
        self._cr1 = self._cr3 = 0
        self._byte_s = UNLIMITED_BYTE_S
        self._device_baud = 0.0
        self._pins_checked: tuple[bool, bool] | None = None

    # ------------------------------------------------------------ configuration

    def configuration_changed(self) -> None:
        """Clocks or pins changed: look again."""
        self._pins_checked = None
        self._dirty = True
        brr = self._bus.get("USART3_BRR")
        over8 = self._bus.get("USART3_CR1") & 1 << 15
        # RM0385 31.8.4: with OVER8 the low 3 bits are shifted right, and 2 f / div is the rate
        divider = ((brr & 0xFFF0) | ((brr & 7) << 1)) / 2 if over8 else brr
        self._device_baud = self._clock_hz() / divider if divider else 0.0

    def _configure(self, name: str, value: int) -> None:
        label = f"USART3_{name}"
        old = self._bus.get(label)
        if name == "BRR" and self._cr1 & UE and value != old:
            self._bus.violate("USART enabled", "USART3_BRR written while UE is set (RM0385 31.8.4)")
        if name == "CR1":
            self._check_control(value)
            if not value & UE or not value & TE:
                self._isr |= TC | TXE
                self._tdr = self._shifting = None
            if not value & UE:
                self._isr = TC | TXE
            self._cr1 = value
            self._isr &= ~(TEACK | REACK)
            if value & UE:
                self._isr |= (TEACK if value & TE else 0) | (REACK if value & RE else 0)
        elif name == "CR3":
            self._cr3 = value
        self._bus.put(label, value)
        self.configuration_changed()
        self._update_line()

    def _check_control(self, value: int) -> None:
        unknown = value & ~(UE | RE | TE | IDLEIE | RXNEIE | TCIE | TXEIE | 1 << 15)
        if unknown:
            self._bus.violate("not modelled", f"USART3_CR1 bits {unknown:#x}: the line is 8N1")
        if value & UE and not self._bus.get("USART3_BRR"):
            self._bus.violate("USART baud rate", "USART3 enabled with BRR 0")

    def _pins(self) -> tuple[bool, bool]:
        """Whether TX and RX are wired through: clock and alternate function."""
        if self._pins_checked is None:
            clocked = self._bus.clocked("USART3_CR1")
            self._pins_checked = (
                clocked and self._gpio.alternate("D", TX_PIN) == ALTERNATE,
                clocked and self._gpio.alternate("D", RX_PIN) == ALTERNATE,
            )
        return self._pins_checked

    def _byte_time_s(self) -> float:
        if self._unlimited:
            return UNLIMITED_BYTE_S
        return FRAME_BITS / self._device_baud if self._device_baud else math.inf

    def _baud_matches(self) -> bool:
        host = self.port.baud() if self.port.open else 0
        return bool(host) and abs(self._device_baud / host - 1) <= BAUD_TOLERANCE

    # ------------------------------------------------------------ registers

    def _clear(self, value: int) -> None:
        self._isr &= ~(value & CLEARABLE)
        self._update_line()

    def _request(self, value: int) -> None:
        if value & RXFRQ:
            self._isr &= ~RXNE
        if value & TXFRQ:
            self._tdr = None
            self._isr |= TXE
        self._update_line()

    def _read_data(self) -> int:
        if not self._bus.debugger:
            self._isr &= ~RXNE
            self._update_line()
        return self._rdr

    def _write_data(self, value: int) -> None:
        if not self._cr1 & UE or not self._cr1 & TE:
            self._bus.violate("USART transmitter", "USART3_TDR written while UE or TE is off")
            return
        if not self._pins()[0]:
            self._bus.violate("USART pins", "USART3_TDR written while PD8 is not AF7")
            return
        if not self._isr & TXE:
            self._bus.violate("USART overrun", "USART3_TDR written while TXE is clear: byte lost")
        self._tdr = value & 0xFF
        self._isr &= ~(TXE | TC)
        self._pump_transmitter()
        self._update_line()

    def _update_line(self) -> None:
        control, flags = self._cr1, self._isr
        level = (
            (flags & (RXNE | ORE) and control & RXNEIE)
            or (flags & IDLE and control & IDLEIE)
            or (flags & TC and control & TCIE)
            or (flags & TXE and control & TXEIE)
            or (flags & (FE | NF | ORE) and self._cr3 & EIE)
        )
        self._exceptions.set_line(IRQ, bool(level))

    # ------------------------------------------------------------ time

    def poke(self) -> None:
        """Something that concerns the line has changed: look again."""
        self._dirty = True

    def advance(self) -> None:
        """Move every byte that is due by now, in both directions."""
        if not self._dirty and self._quiet():
            return
        self._dirty = False
        self._receive()
        self._pump_transmitter()
        while self._late and self._late[0][0] <= self._time.now_s:
            self._hand_over(self._late.popleft()[1])
        if self._sent and (self._time.now_s >= self._flush_due_s or self._shifting is None):
            self._flush()

    def _quiet(self) -> bool:
        return not (
            self._incoming
            or self._sent
            or self._late
            or self._shifting is not None
            or self._idle_due_s < math.inf
        )

    def catch_up(self) -> None:
        """Before an access of the core: what is due has happened."""
        if not self._quiet():
            self.advance()

    def due_s(self) -> float:
        """Simulated time of the next thing that the core or the host could notice."""
        idle_s = math.inf if self._starts_before(self._idle_due_s) else self._idle_due_s
        late_s = self._late[0][0] if self._late else math.inf
        return min(self._receive_due_s(), idle_s, self._transmit_due_s(), late_s)

    def line_active(self) -> bool:
        """Whether bytes are under way in either direction."""
        return bool(self._incoming) or self._shifting is not None

    # ------------------------------------------------------------ receiving

    def arrived(self, data: bytes, since_s: float) -> None:
        """The host wrote ``data``, not before ``since_s``."""
        data = self.to_device.carry(data)
        if not data:
            return
        baud = self.port.baud()
        self._byte_s = UNLIMITED_BYTE_S if self._unlimited else FRAME_BITS / max(baud, 1)
        start_s = max(self._line_free_s, since_s + self.delay_s["to_device"])
        self._incoming.append((start_s, data))
        self._line_free_s = start_s + len(data) * self._byte_s

    def _receive_due_s(self) -> float:
        if not self._incoming:
            return math.inf
        start_s, data = self._incoming[0]
        if self._unlimited and self._isr & RXNE:
            return math.inf
        stream = self._rx_stream()
        if stream is None:
            return start_s + self._byte_s
        count = self._dma.until_flag(stream)
        if count is None:
            count = 1 if not self._cr1 & IDLEIE else len(data)
        return start_s + min(count, len(data)) * self._byte_s

    def _rx_stream(self) -> int | None:
        if not self._cr3 & DMAR:
            return None
        return self._dma.stream_for(USART3_RX, PERIPHERAL_TO_MEMORY, self._data_register[0])

    def _receive(self) -> None:
        now_s = self._time.now_s
        while self._incoming:
            start_s, data = self._incoming[0]
            count = min(len(data), int((now_s - start_s) / self._byte_s + 1e-6))
            if count <= 0:
                break
            if self._idle_due_s <= start_s:
                self._line_idle()
            count = self._deliver(data[:count])
            if not count:
                break
            end_s = start_s + count * self._byte_s
            self._idle_due_s = end_s + self._byte_s
            if count == len(data):
                self._incoming.popleft()
            else:
                self._incoming[0] = (end_s, data[count:])
        if self._idle_due_s <= now_s and not self._starts_before(self._idle_due_s):
            self._line_idle()
        self._update_line()

    def _starts_before(self, moment_s: float) -> bool:
        return bool(self._incoming) and self._incoming[0][0] < moment_s

    def _line_idle(self) -> None:
        self._idle_due_s = math.inf
        if self._cr1 & UE and self._cr1 & RE:
            self._isr |= IDLE

    def _deliver(self, data: bytes) -> int:
        """Hand bytes to the receiver; returns how many left the line."""
        if not self._cr1 & UE or not self._cr1 & RE or not self._pins()[1]:
            self.errors["unheard"] += len(data)
            return len(data)
        if not self._baud_matches():
            self.errors["framing"] += len(data)
            self._isr |= FE
            data = bytes((byte * 0x3B + 0x55) & 0xFF for byte in data)
        stream = self._rx_stream()
        if stream is not None and not self._isr & RXNE:
            taken = self._dma.put(stream, data)
            if taken:
                self._rdr = data[taken - 1]
                return taken
        return self._deliver_one(data)

    def _deliver_one(self, data: bytes) -> int:
        if self._isr & RXNE:
            if self._unlimited:
                return 0
            self.errors["overrun"] += 1
            if not self._cr3 & OVRDIS:
                self._isr |= ORE
                return 1
        self._rdr = data[0]
        self._isr |= RXNE
        return 1

    # ------------------------------------------------------------ transmitting

    def _tx_stream(self) -> int | None:
        if not self._cr3 & DMAT:
            return None
        return self._dma.stream_for(USART3_TX, MEMORY_TO_PERIPHERAL, self._data_register[1])

    def _pump_transmitter(self) -> None:
        if not self._cr1 & UE or not self._cr1 & TE:
            return
        now_s, byte_s = self._time.now_s, self._byte_time_s()
        self._load(now_s, byte_s)
        while self._shifting is not None and self._shift_end_s <= now_s:
            self._sent.append(self._shifting)
            self._shifting = None
            self._load(self._shift_end_s, byte_s)
            self._send_run(now_s, byte_s)
        if self._shifting is None:
            self._isr |= TC
        self._update_line()

    def _load(self, at_s: float, byte_s: float) -> None:
        """Move bytes on at ``at_s``: from memory to TDR, and from TDR to the shift register."""
        while True:
            if self._tdr is None:
                self._tdr = self._from_dma()
            if self._tdr is None or self._shifting is not None:
                return
            self._shifting, self._tdr = self._tdr, None
            self._shift_end_s = at_s + byte_s
            self._isr = (self._isr | TXE) & ~TC
            if self._flush_due_s == math.inf:
                self._flush_due_s = at_s + FLUSH_S

    def _from_dma(self) -> int | None:
        stream = self._tx_stream()
        if stream is None:
            return None
        if not self._pins()[0]:
            self._bus.violate("USART pins", "DMA feeds USART3 while PD8 is not AF7")
            return None
        self._isr &= ~(TXE | TC)
        return self._dma.take(stream, 1)[0]

    def _send_run(self, now_s: float, byte_s: float) -> None:
        """Send a run of bytes from the DMA at once, all due by now."""
        stream = self._tx_stream()
        if stream is None or self._shifting is None or self._tdr is None:
            return
        due = int((now_s - self._shift_end_s) / byte_s)
        count = min(due, self._dma.remaining(stream))
        if count < 1:
            return
        data = bytes([self._shifting, self._tdr]) + self._dma.take(stream, count)
        self._sent += data[:-2]
        self._shifting, self._tdr = data[-2], data[-1]
        self._shift_end_s += count * byte_s

    def _transmit_due_s(self) -> float:
        if self._shifting is None:
            return math.inf
        byte_s = self._byte_time_s()
        stream = self._tx_stream()
        queued = (self._tdr is not None) + (
            self._dma.remaining(stream) if stream is not None else 0
        )
        if self._cr1 & TXEIE:
            return self._shift_end_s
        if stream is not None and self._dma.until_flag(stream) is not None:
            done_s = self._shift_end_s + (queued - 1) * byte_s
        else:
            done_s = self._shift_end_s + queued * byte_s
        return min(done_s, max(self._flush_due_s, self._shift_end_s))

    def _flush(self) -> None:
        data = bytes(self._sent)
        self._sent.clear()
        self._flush_due_s = math.inf if self._shifting is None else self._time.now_s + FLUSH_S
        if not self.port.open:
            return
        if not self._baud_matches():
            data = bytes((byte * 0x3B + 0x55) & 0xFF for byte in data)
        data = self.to_host.carry(data)
        if self.delay_s["to_host"]:
            self._late.append((self._time.now_s + self.delay_s["to_host"], data))
        else:
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        self.port.write(data)
        if self.gone_after is not None and self.to_host.bytes >= self.gone_after:
            self.port.close()
