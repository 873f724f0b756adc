"""A study layer by layer: what each one loses alone, and the mix that was searched for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from hilbench.reports.plots import Bar, bars

SENSITIVITY_HEADINGS = ("layer", "operator", "shift (95 %)", "change of output", "bytes saved")
NAMES = {"flash_bytes": "flash", "arena_bytes": "arena", "instructions": "instructions"}


def sensitivity_title(found: dict[str, Any]) -> str:
    """What the table shows, and where it comes from."""
    return (
        f"one layer at a time by {found['scheme']}, all else float "
        f"({found['origin']}, {found['vectors']} vectors)"
    )


def sensitivity_rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Cells of each layer, under :data:`SENSITIVITY_HEADINGS`."""
    for row in found["layers"]:
        if row["refused"]:
            yield row["layer"], row["operator"], "cannot", "", ""
            continue
        scale, digits = (1, 4) if found["metric"] == "auc" else (100, 1)
        shift, low, high = (f"{scale * row[k]:+.{digits}f}" for k in ("shift", "low", "high"))
        text = f"{shift} ({low} … {high})"
        yield (
            row["layer"],
            row["operator"],
            text,
            f"{row['change']:.3g}",
            f"{row['weight_bytes_saved']:,}",
        )


def sensitivity_plot(found: dict[str, Any]) -> str:
    """Mean squared change of the output, a bar for each layer."""
    able = [row for row in found["layers"] if not row["refused"]]
    if not able:
        return ""
    label = f"Mean squared change of the output, layer by layer, {found['scheme']}"
    entries = [Bar(row["layer"], row["change"], f"{row['change']:.3g}") for row in able]
    return bars(entries, "sensitivity", label)


def auto_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The budget and what is reached: (name, text)."""
    facts = []
    reached = {**found, "instructions": found["estimated_instructions"]}
    for key, name in NAMES.items():
        value, limit = reached[key], found["budget"].get(key)
        text = "unknown" if value is None else f"{value:,}"
        text += f" of {limit:,}" if limit is not None else ""
        facts.append((f"{name}, estimated" if key == "instructions" else name, text))
    if found["counted_instructions"] is not None:
        text = f"{found['counted_instructions']:,.0f}"
        facts.append(("instructions, counted", text + (" (over budget)" * found["exceeded"])))
    quality = f"{found['validation_quality']:.4f} (float: {found['float_quality']:.4f})"
    facts.append((f"on {found['vectors']} validation vectors", quality))
    facts.append(("models tried", str(found["candidates"])))
    return facts


def layer_tables(results: dict[str, Any]) -> Iterator[Table]:
    """For the terminal; nothing where a study did not ask."""
    found = results.get("sensitivity")
    if found:
        table = Table(title=sensitivity_title(found), title_justify="left")
        for number, heading in enumerate(SENSITIVITY_HEADINGS):
            table.add_column(heading, justify="left" if number < 2 else "right")
        for cells in sensitivity_rows(found):
            table.add_row(*cells)
        yield table
    auto = results.get("auto")
    if auto:
        facts = "; ".join(f"{name} {text}" for name, text in auto_facts(auto))
        table = Table(title=f"auto: {facts}", title_justify="left")
        for heading in ("layer", "operator", "weights", "scheme"):
            table.add_column(heading, justify="right" if heading == "weights" else "left")
        for row in auto["layers"]:
            table.add_row(row["layer"], row["operator"], f"{row['weights']:,}", row["scheme"])
        yield table
