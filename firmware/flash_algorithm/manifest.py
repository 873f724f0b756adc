"""Write manifest.json beside a built flash algorithm: what it is, and what it was built from."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path


def main(elf: str, compiler: str, flags: str, *sources: str) -> None:
    """Write the manifest of ``elf``."""
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + Path(name).read_bytes())
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    manifest = {
        "sha256": hashlib.sha256(Path(elf).read_bytes()).hexdigest(),
        "compiler": version.stdout.splitlines()[0],
        "flags": flags,
        "sources": sorted(sources),
        "source_sha256": digest.hexdigest(),
    }
    text = json.dumps(manifest, indent=2) + "\n"
    Path(elf).with_name("manifest.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
