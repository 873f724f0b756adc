"""A serial line that loses, alters, doubles and delays bytes, between two ptys."""

from __future__ import annotations

import os
import pty
import random
import select
import threading
import time
import tty
from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """Probability of each fault per chunk relayed, in each direction."""

    lose: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0


class FaultyLine:
    """Relays between ``far`` (the device's port) and :attr:`port` (a new one)."""

    CHUNK = 64

    def __init__(self, far: str, faults: Faults, seed: int) -> None:
        self._faults, self._random = faults, random.Random(seed)
        self.struck = dict.fromkeys(("lose", "corrupt", "duplicate", "delay"), 0)
        self._far = os.open(far, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._far)
        self._near, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.active = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for file in (self._far, self._near, self._slave):
            os.close(file)

    def _relay(self) -> None:
        other = {self._far: self._near, self._near: self._far}
        while not self._stop.is_set():
            for source in select.select(list(other), [], [], 0.05)[0]:
                data = os.read(source, self.CHUNK)
                for piece in self._spoil(data):
                    view = piece
                    while view:
                        view = view[os.write(other[source], view) :]

    def _spoil(self, data: bytes) -> list[bytes]:
        if not self.active:
            return [data]
        draw = self._random.random
        if draw() < self._faults.delay:
            self.struck["delay"] += 1
            time.sleep(0.02)
        if draw() < self._faults.lose:
            self.struck["lose"] += 1
            position = self._random.randrange(len(data))
            return [data[:position] + data[position + 1 :]]
        if draw() < self._faults.corrupt:
            self.struck["corrupt"] += 1
            changed = bytearray(data)
            changed[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
            return [bytes(changed)]
        if draw() < self._faults.duplicate:
            self.struck["duplicate"] += 1
            return [data, data]
        return [data]
