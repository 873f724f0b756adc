"""A study as a table and a conclusion, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hilbench.reports.study_layers import layer_tables
from hilbench.units import REGISTRY, format_value


def study_table(results: dict[str, Any]) -> Group:
    """A row per subject; those that another one beats in everything are dimmed."""
    title = f"{results['workload']} on {results['board']}, {results['backend']}"
    table = Table(title=title, title_justify="left")
    table.add_column("scheme")
    for heading in headings(results):
        table.add_column(heading, justify="right")
    for row in results["subjects"]:
        style = "dim" if row["dominated_by"] or row["refused"] else None
        table.add_row(*cells(results, row), style=style)
    lines = [Text(f"• {line}") for line in results["conclusion"]]
    notes = (
        []
        if not any(r["dominated_by"] for r in results["subjects"])
        else [Text("dim: another scheme is at least as good in everything", style="dim")]
    )
    return Group(table, *notes, *layer_tables(results), *lines)


def columns(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Objective and heading of each column of figures."""
    short = {
        "top1": "top-1",
        "auc": "AUC",
        "instructions_per_inference": "instructions",
        "latency_s": "latency",
        "energy_j": "energy",
        "flash_bytes": "flash",
        "arena_bytes": "arena",
    }
    keys = [objective["key"] for objective in results["objectives"]]
    return [(key, short.get(key, key)) for key in keys]


def headings(results: dict[str, Any]) -> list[str]:
    """Of every column but the first."""
    return [*(heading for _, heading in columns(results)), "flipped", "shift (95 %)", "p (Holm)"]


def cells(results: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """Text of a row, the name first."""
    name = f"{row['name']} (reference)" if row["name"] == results["reference"] else row["name"]
    figures = [objective_text(row, key) for key, _ in columns(results)]
    return [name, *figures, *versus_cells(row)]


def objective_text(row: dict[str, Any], key: str) -> str:
    """A figure with its unit; a dash where there is none."""
    value = row["objectives"].get(key)
    if value is None:
        return "–"
    if key == "auc":
        return f"{value:.4f}"
    return format_value(key if key in REGISTRY else "image_bytes", value)


def versus_cells(row: dict[str, Any]) -> list[str]:
    """Flipped vectors, shift with interval, adjusted p-value."""
    versus = row["vs_reference"]
    if row["refused"]:
        return ["cannot run", "", ""]
    if versus is None:
        return ["", "", ""]
    if "auc_shift" in versus:
        shift = f"{versus['auc_shift']:+.4f} ({versus['low']:+.4f} … {versus['high']:+.4f})"
        return ["", shift, f"{versus['delong_p_holm']:.3g}"]
    if "accuracy_shift" not in versus:
        return [str(versus["flipped"]), "", ""]
    shift, low, high = (100 * versus[key] for key in ("accuracy_shift", "low", "high"))
    text = f"{shift:+.1f} ({low:+.1f} … {high:+.1f})"
    return [str(versus["flipped"]), text, f"{versus['mcnemar_p_holm']:.3g}"]
