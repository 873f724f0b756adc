"""Renew what docs/studies.md shows of a study: the text that it prints and the picture.

python tools/study_example.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs/studies.md", ROOT / "docs/images/study.png"
WIDTH_PX, HEIGHT_PX = 1000, 1700
COMMAND = re.compile(r"^hilbench (study --board mps2-an386 .*)$", re.MULTILINE)
EXAMPLE = re.compile(r"(<!-- example: begin[^\n]*-->\n).*?(<!-- example: end -->)", re.DOTALL)


def main() -> int:
    """Run, then write both files."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import browser

    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is missing: apt-get install chromium\n")
        return 4
    text = PAGE.read_text(encoding="utf-8")
    found = COMMAND.search(text)
    assert found is not None, "the page has no command"
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run(
            [sys.executable, "-m", "hilbench", *found[1].split()],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        lines = "\n".join(line.rstrip() for line in printed.splitlines())
        PAGE.write_text(EXAMPLE.sub(lambda m: f"{m[1]}```text\n{lines}\n```\n{m[2]}", text))
        (report,) = Path(folder).glob("results/*/report.html")
        with browser(program) as page:
            page.resize(WIDTH_PX, HEIGHT_PX)
            page.open(report)
            box = "document.querySelector('.plots').getBoundingClientRect()"
            top, height = (int(page.evaluate(f"{box}.{side}")) for side in ("top", "height"))
            page.screenshot(PICTURE, height=height, top=top)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
