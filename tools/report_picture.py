"""The README's picture: the report of a run, in Chromium.

python tools/report_picture.py BUNDLE docs/images/report.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH_PX, HEIGHT_PX = 1000, 1680


def main(bundle: Path, picture: Path) -> int:
    """Write the picture."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import browser

    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is missing\n")
        return 4
    with browser(program) as page:
        page.resize(WIDTH_PX, HEIGHT_PX)
        page.open(bundle / "report.html")
        page.screenshot(picture, height=HEIGHT_PX)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
