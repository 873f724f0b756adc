"""What ``hilbench debug`` found, from its bundle."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.table import Table

from hilbench.store import Bundle


def debug_json(bundle: Bundle) -> dict[str, Any]:
    """The finding as one JSON object; ``difference`` is None when every layer was equal."""
    events = {event["event"]: event for event in bundle.journal()}
    layers, found = events["layers"], events.get("difference")
    reasons = bundle.metrics["verdict"]["reasons"]
    return {
        "schema": "hilbench-debug-1",
        "bundle": str(bundle.folder),
        "equal": not layers["mismatches"],
        "vectors": layers["vectors"],
        "operators": layers["ops"],
        "difference": None if found is None else {k: v for k, v in found.items() if k != "event"},
        "summary": "every layer is equal" if found is None else reasons[-1],
    }


def debug_table(bundle: Bundle) -> RenderableType:
    """Each operator and whether its output was the reference's."""
    events = {event["event"]: event for event in bundle.journal()}
    layers, found = events["layers"], events.get("difference")
    wrong: dict[int, int] = {}
    for _, operator in layers["mismatches"]:
        wrong[operator] = wrong.get(operator, 0) + 1
    table = Table(title=f"{bundle.plan['subject']['model']} on {bundle.plan['board']}")
    for name in ("operator", "name", "kernel", "outputs that differ"):
        table.add_column(name, justify="right" if name != "name" else "left")
    for index, op in enumerate(bundle.plan["image"]["ops"]):
        count = f"{wrong.get(index, 0)} of {layers['vectors']}"
        mark = " <- first" if found is not None and found["operator"] == index else ""
        table.add_row(str(index), op["name"], op["kernel"], count + mark)
    if found is not None and "first" in found:
        table.caption = f"{found['pattern']}\nimage on the board: {found['image']}"
    return table
