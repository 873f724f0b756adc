"""``python -m tests.firmware.fuzz --minutes 10``: fuzz the engine; failures go to a folder."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.firmware.build import SANITIZERS, make
from tests.firmware.fuzz import seeds, store
from tests.firmware.fuzz.campaign import COVERAGE, Campaign, Failure

REPORT_S = 30.0


def main() -> int:
    """Exit status 1 with failures."""
    parser = argparse.ArgumentParser(prog="python -m tests.firmware.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--keep", action="store_true", help=f"write {store.PATH.name} anew")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as build:
        program = make("fuzz", Path(build), f"{SANITIZERS} {COVERAGE}")
        images, originals = seeds.build()
        print(f"seed {arguments.seed}, {len(images)} images to mutate")
        campaign = Campaign(program, images, originals, random.Random(arguments.seed))
        end = time.monotonic() + 60 * arguments.minutes
        while (left := end - time.monotonic()) > 0:
            campaign.run(min(left, REPORT_S))
            print(f"{campaign.figures}; {len(campaign.failures)} failures", flush=True)
            write(campaign.failures, arguments.failures)
        campaign.close()
    if arguments.keep and not campaign.failures:
        store.write(campaign.kept)
    for kind, count in sorted(campaign.figures.kinds.items()):
        accepted = campaign.figures.accepted_by_kind[kind]
        print(f"  {kind:12} {count:8} mutants, {100 * accepted / count:5.1f} % accepted")
    return 1 if campaign.failures else 0


def write(failures: list[Failure], folder: Path) -> None:
    """Image, vector and what is wrong, of each failure."""
    for number, failure in enumerate(failures):
        folder.mkdir(exist_ok=True)
        stem = folder / f"{number:03}"
        stem.with_suffix(".hbim").write_bytes(failure.case.image)
        stem.with_suffix(".vector").write_bytes(failure.case.vector)
        text = f"{failure.case.name}: {', '.join(failure.case.kinds)}\n{failure.what}\n"
        stem.with_suffix(".txt").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
