"""Turn protocol.toml and image.toml into the Python and C codecs of both sides.

Run as ``python -m hilbench.schema.generate`` to write, with ``--check`` to only compare (exit 1
when a generated file is stale).  All generated files are committed: firmware builds without Python,
and the wheel works without a compiler.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hilbench.schema.c_codec import c_header
from hilbench.schema.layout import HERE, load
from hilbench.schema.python_codec import PYTHON_HELPERS, python_module

ROOT = HERE.parents[2]

OUTPUTS = {
    "protocol": (HERE / "protocol.py", ROOT / "firmware/agent/hb_protocol.h"),
    "image": (HERE / "image.py", ROOT / "firmware/engine/hb_image.h"),
}


def render() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    files = {}
    for name, (python_path, c_path) in OUTPUTS.items():
        schema = load(name)
        text = python_module(schema)
        helpers = [h for h in ("fixed_text", "fixed_bytes") if f"{h}(" in text]
        if helpers:
            blocks = PYTHON_HELPERS.split("\n\n\n")
            kept = [b.strip("\n") for b in blocks if any(f"def {h}(" in b for h in helpers)]
            head, tail = text.split("\n\n\n", 1)
            text = "\n\n\n".join([head, *kept, tail])
        files[python_path] = text
        files[c_path] = c_header(schema)
    return files


def main(arguments: list[str]) -> int:
    """Write the generated files, or with ``--check`` compare them."""
    stale = []
    for path, text in render().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        verb = "stale" if "--check" in arguments else "written"
        sys.stdout.write(f"{verb}: {path.relative_to(ROOT)}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
