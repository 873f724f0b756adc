"""``python -m hilbench.backends.virtual CONFIG.json``: the board's process.

CONFIG.json (``-``: one line on standard input) is a ``BoardConfig`` (see ``board.py``) as JSON,
with ``socket``.  One line of JSON on standard output says that the board is ready.  The
process ends when standard input does.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from hilbench.backends.virtual.machine import Machine
from hilbench.backends.virtual.server import Server


def main(arguments: list[str]) -> int:
    """Run the board; returns the exit status."""
    if len(arguments) != 1:
        print("usage: python -m hilbench.backends.virtual CONFIG.json", file=sys.stderr)
        return 2
    source = arguments[0]
    text = sys.stdin.readline() if source == "-" else Path(source).read_text("utf-8")
    config: dict[str, Any] = json.loads(text)
    machine = Machine(
        uid=bytes.fromhex(config["uid"]),
        unlimited=config.get("timing", "line") == "unlimited",
        faults=config.get("faults", {}),
        stop_on_violation=config.get("stop_on_violation", True),
    )
    if config.get("flash_image"):
        image = Path(config["flash_image"]).read_bytes()
        machine.core.flash[: len(image)] = image
        machine.reset(0x0E00_0000)
    server = Server(machine, config["serial"], config["socket"], sys.stdin.fileno())
    print(json.dumps(server.info()), flush=True)
    try:
        server.run()
    finally:
        machine.port.close()
        Path(config["socket"]).unlink(missing_ok=True)
        if config.get("folder"):
            shutil.rmtree(config["folder"], ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
