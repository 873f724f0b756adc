"""The agent built for this computer, as a board of a test-only catalogue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hilbench.device import Device
from hilbench.link import open_link

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class HostAgent:
    """A built agent and the catalogue that describes it."""

    program: Path
    catalogue: Path

    @property
    def env(self) -> dict[str, str]:
        return {"HILBENCH_BOARDS": str(self.catalogue)}

    @contextmanager
    def process(self, *arguments: str) -> Iterator[str]:
        """Start the agent; yields the name of its serial port."""
        agent = subprocess.Popen(
            [str(self.program), *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            assert agent.stdout is not None
            yield agent.stdout.readline().decode().split()[1]
        finally:
            agent.kill()
            agent.wait()
            agent.stdout.close()

    @contextmanager
    def device(self, *arguments: str) -> Iterator[Device]:
        """Start the agent and attest it."""
        with self.process(*arguments) as port:
            link = open_link(port, 115200)
            device = Device(link)
            try:
                device.attest()
                yield device
            finally:
                link.close()


def build(folder: Path) -> HostAgent:
    """Build the agent into ``folder`` and let it say its own capacities for the manifest."""
    program, catalogue = folder / "firmware/firmware.elf", folder / "boards.yaml"
    if (folder / "firmware/manifest.json").exists():
        return HostAgent(program, catalogue)
    make = subprocess.run(
        ["make", "-C", str(ROOT / "firmware"), "host", f"BUILD={folder / 'build'}"],
        capture_output=True,
        text=True,
        env={**os.environ, "MAKEFLAGS": ""},
        check=False,
    )
    assert make.returncode == 0, make.stdout + make.stderr
    firmware = folder / "firmware"
    firmware.mkdir()
    shutil.copy(folder / "build/host/agent-host", program)
    text = (ROOT / "tests/data/host-board.yaml").read_text()
    catalogue.write_text(text.replace("    backends:", "    firmware: ./firmware\n    backends:"))
    agent = HostAgent(program, catalogue)
    with agent.device() as device:
        assert device.hello is not None
        manifest = {
            "arena_capacity_bytes": device.hello.arena_capacity,
            "vector_buffer_bytes": device.hello.vector_buffer_bytes,
        }
    (firmware / "manifest.json").write_text(json.dumps(manifest))
    return agent
