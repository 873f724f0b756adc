"""The loop of the board's process: core, line, probe commands, and the end of the parent."""

from __future__ import annotations

import json
import math
import os
import select
import socket
import time
from typing import Any

from hilbench.backends.virtual import wire
from hilbench.backends.virtual.machine import Machine
from hilbench.backends.virtual.stlink import StLink, UsbLost, UsbTimeout
from hilbench.backends.virtual.wire import Op, Status

#: How often sockets and port are looked at while the core is busy, in seconds.
LOOK_S = 0.0005
#: Longest sleep, so that a vanished parent is noticed; seconds.
MAX_SLEEP_S = 1.0
#: How soon a full pty is tried again, in seconds.
RETRY_S = 0.002


class Server:
    """Serves one machine until its parent ends.

    Parameters
    ----------
    serial : str
        Serial number of the probe.
    socket_path : str
        Unix socket to listen on.
    lifeline : int
        Descriptor that reads end-of-file when the parent is gone.
    """

    def __init__(self, machine: Machine, serial: str, socket_path: str, lifeline: int) -> None:
        self._m, self._lifeline = machine, lifeline
        self.probe = StLink(machine)
        self._parent = os.getppid()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(socket_path)
        self._listener.listen(8)
        self._clients: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(lifeline, select.POLLIN)
        self._port_fd = machine.port.fileno()
        self._poll.register(self._port_fd, select.POLLIN)
        self._looked = 0.0
        self._drained_s = 0.0
        self._running = True
        self.wakeups = 0
        self.serial = serial

    def run(self) -> None:
        """Until ``stop`` is asked for or the parent ends."""
        machine = self._m
        while self._running:
            machine.advance()
            if machine.can_run:
                machine.run_slice()
                if time.monotonic() - self._looked >= LOOK_S:
                    self._look(0.0)
                continue
            self._sleep()
        self._listener.close()

    def _sleep(self) -> None:
        machine = self._m
        machine.time.going_idle(machine.usart.line_active())
        due_s = machine.due_s()
        wait_s = MAX_SLEEP_S
        if due_s < math.inf:
            wait_s = min(wait_s, machine.time.host_wait_s(due_s))
        if machine.port.has_backlog:
            wait_s = min(wait_s, RETRY_S)
        self._look(wait_s)
        self.wakeups += 1
        if machine.port.has_backlog:
            machine.port.write(b"")
        self._pass_time()

    def _pass_time(self) -> None:
        """Idle time has passed: up to now, or to the next event."""
        machine = self._m
        if not machine.can_run:
            machine.idle(min(machine.time.target_s(), machine.due_s()))

    # ------------------------------------------------------------ descriptors

    def _look(self, wait_s: float) -> None:
        ready = self._poll.poll(math.ceil(wait_s * 1000) if wait_s > 0 else 0)
        self._looked = time.monotonic()
        if os.getppid() != self._parent:
            self._running = False
        if self._m.port.fileno() != self._port_fd:
            self._forget_port()
        for descriptor, events in ready:
            self._serve(descriptor, events)
        self._drained_s = self._m.time.target_s()

    def _serve(self, descriptor: int, events: int) -> None:
        if descriptor == self._lifeline:
            if not os.read(self._lifeline, 4096):
                self._running = False
        elif descriptor == self._port_fd:
            self._drain()
        elif descriptor == self._listener.fileno():
            client, _ = self._listener.accept()
            client.settimeout(wire.TIMEOUT_S)
            self._clients[client.fileno()] = client
            self._poll.register(client, select.POLLIN)
        elif descriptor in self._clients:
            self._serve_client(descriptor)

    def _drain(self) -> None:
        data = self._m.port.read()
        if data:
            self._m.usart.arrived(data, max(self._drained_s, self._m.time.now_s))

    def _forget_port(self) -> None:
        if self._port_fd >= 0:
            self._poll.unregister(self._port_fd)
            self._port_fd = -1

    def _serve_client(self, descriptor: int) -> None:
        client = self._clients[descriptor]
        try:
            message = wire.receive(client)
            if message is not None:
                self._pass_time()
                wire.send(client, *self._answer(*message))
                return
        except OSError:
            pass
        self._poll.unregister(descriptor)
        del self._clients[descriptor]
        client.close()

    # ------------------------------------------------------------ requests

    def _answer(self, kind: int, payload: bytes) -> tuple[Status, bytes]:
        try:
            if kind == Op.USB_WRITE:
                self.probe.write(payload)
                return Status.OK, b""
            if kind == Op.USB_READ:
                return Status.OK, self.probe.read(int.from_bytes(payload, "little"))
            request = json.loads(payload)
            return Status.OK, json.dumps(self._control(**request)).encode()
        except UsbLost:
            return Status.USB_LOST, b""
        except UsbTimeout:
            return Status.USB_TIMEOUT, b""
        except (ValueError, TypeError, KeyError) as error:
            return Status.ERROR, str(error).encode()

    def _control(self, command: str, **arguments: Any) -> dict[str, Any]:
        machine = self._m
        if command == "info":
            return self.info()
        if command == "violations":
            return {"violations": [violation.as_dict() for violation in machine.violations]}
        if command == "cyccnt_reads":
            reads = machine.cycles.reads
            return {"reads": list(reads)[-int(arguments["last"]) :]}
        if command == "inject":
            machine.apply_faults(arguments["faults"])
            return {}
        if command == "reset":
            machine.reset(0x0400_0000)
            return {}
        if command == "close_port":
            machine.port.close()
            return {}
        if command == "stop":
            self._running = False
            return {}
        raise ValueError(f"unknown command {command!r}")

    def info(self) -> dict[str, Any]:
        """State and counters, for people and tests."""
        machine = self._m
        return {
            "serial": self.serial,
            "port": machine.port.name,
            "port_open": machine.port.open,
            "probe": self.probe.info(),
            "counter": machine.core.counter.kind,
            "instructions": machine.core.instructions,
            "cyccnt": machine.cycles.value(),
            "hclk_hz": machine.clocks.hclk_hz,
            "now_s": machine.time.now_s,
            "pc": machine.core.pc,
            "halted": machine.halted,
            "sleeping": machine.sleeping,
            "lockup": machine.lockup,
            "stopped": machine.stopped,
            "violations": len(machine.violations),
            "exceptions": machine.exceptions.taken,
            "wakeups": self.wakeups,
            "uart": machine.usart.errors
            | {
                "to_device_bytes": machine.usart.to_device.bytes,
                "to_host_bytes": machine.usart.to_host.bytes,
                "altered": machine.usart.to_device.altered + machine.usart.to_host.altered,
                "host_lost_bytes": machine.port.lost_bytes,
            },
        }
