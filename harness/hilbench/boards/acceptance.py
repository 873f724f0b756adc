"""Which boards have passed their acceptance run on silicon, on this computer."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hilbench.errors import ConfigError, HostIOError

STATE_FOLDER = "HILBENCH_STATE"


def state_path() -> Path:
    """``accepted.json`` in ``$HILBENCH_STATE``, or where the XDG specification puts state."""
    named = os.environ.get(STATE_FOLDER)
    if named:
        return Path(named) / "accepted.json"
    base = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(base) / "hilbench" / "accepted.json"


def accepted_boards() -> dict[str, str]:
    """Board id -> run that accepted it."""
    path = state_path()
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is damaged: {error}", hint="remove it") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} is damaged: no JSON object", hint="remove it")
    return value


def accept_board(board: str, run: str) -> None:
    """Note that a board passed; only a run on silicon may do so."""
    path = state_path()
    accepted = {**accepted_boards(), board: run}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(accepted, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise HostIOError(
            f"the run passed, but {path} cannot be written: {error.strerror}",
            hint=f"name a folder for it in ${STATE_FOLDER}, and repeat",
        ) from error
