"""Renew what the README shows of a run: the text that it prints and the picture of its report.

python tools/readme_example.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README, PICTURE = ROOT / "README.md", ROOT / "docs/images/report.png"
WIDTH_PX, HEIGHT_PX = 1000, 1680
EXAMPLE = re.compile(r"```text\ndevice: .*?```\n", re.DOTALL)


def main() -> int:
    """Run, then write both files."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import browser

    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is missing: apt-get install chromium\n")
        return 4
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hilbench", "run"]
        printed = subprocess.run(
            [*command, "--board", "nucleo-f746", "--backend", "virtual"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout
        lines = [line.rstrip() for line in printed.splitlines()]
        example = "```text\n" + "\n".join(lines) + "\n```\n"
        README.write_text(EXAMPLE.sub(lambda _: example, README.read_text()))
        (report,) = Path(folder).glob("results/*/report.html")
        with browser(program) as page:
            page.resize(WIDTH_PX, HEIGHT_PX)
            page.open(report)
            page.screenshot(PICTURE, height=HEIGHT_PX)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
