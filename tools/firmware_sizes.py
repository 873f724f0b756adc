"""Flash, RAM and largest stack frame of every port, and how they changed since a commit.

python tools/firmware_sizes.py [--since COMMIT]        (default: the commit before this one)
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PREBUILT = ROOT / "firmware" / "prebuilt"
COLUMNS = ("flash", "engine", "ram", "frame")
#: Sections that are in flash; .data is in both.
_FLASH = (".vectors", ".text", ".rodata", ".engine", ".hilbench", ".ARM", ".data", ".init")


def sizes(manifest: dict[str, Any]) -> dict[str, int]:
    """Bytes of each column; 0 where an older manifest does not say."""
    sections = manifest["sections"]
    in_flash = sum(size for name, size in sections.items() if name.startswith(_FLASH))
    in_ram = sum(sections.values()) - in_flash + sections.get(".data", 0)
    return {
        "flash": in_flash,
        "engine": manifest["engine_flash_bytes"],
        "ram": in_ram,
        "frame": manifest.get("largest_frame", {}).get("bytes", 0),
    }


def before(commit: str, board: str) -> dict[str, Any] | None:
    """The manifest as a commit has it; None where it has none."""
    path = f"{commit}:firmware/prebuilt/{board}/manifest.json"
    shown = subprocess.run(["git", "show", path], cwd=ROOT, capture_output=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--since", default="HEAD~1", metavar="COMMIT")
    since = parser.parse_args().since
    print(f"{'bytes, and change since ' + since:34}" + "".join(f"{c:>20}" for c in COLUMNS))
    for path in sorted(PREBUILT.glob("*/manifest.json")):
        board = path.parent.name
        now = sizes(json.loads(path.read_text(encoding="utf-8")))
        then_manifest = before(since, board)
        then = None if then_manifest is None else sizes(then_manifest)
        cells = []
        for column in COLUMNS:
            change = "new" if then is None else f"{now[column] - then[column]:+,}"
            cells.append(f"{now[column]:,} ({change})")
        print(f"{board:34}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
