"""What simulated instruments share: a pty, and a thread that answers on it."""

from __future__ import annotations

import os
import pty
import threading
import tty


class SimulatedInstrument:
    """Subclasses set what ``_run`` reads before they call ``__init__``, which starts it."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.url = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._vanished = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        if not self._vanished:
            self._vanish()

    def _vanish(self) -> None:
        """As if it were unplugged."""
        os.close(self._master)
        os.close(self._slave)
        self._vanished = True

    def _run(self) -> None:
        raise NotImplementedError
