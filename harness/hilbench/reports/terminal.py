"""Tables for people, made from bundles and catalogues; printing them is the console's job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hilbench.boards import Board
from hilbench.store import Bundle
from hilbench.store.study import StudyFolder
from hilbench.units import REGISTRY, format_value

if TYPE_CHECKING:
    from hilbench.workloads import Workload

COLOURS = {"valid": "green", "degraded": "yellow", "invalid": "red"}
UNTESTED = "untested on silicon"
SYNTHETIC = "the vectors are synthetic: generated, not recorded"


def result_table(bundle: Bundle) -> Group:
    """The end of a run: every metric with its interval and origin, then the verdict."""
    plan = bundle.plan
    title = (
        f"{plan['subject']['model']} ({plan['subject']['scheme']}) on {plan['board']}, "
        f"{plan['backend']}"
    )
    table = Table(title=title, title_justify="left")
    for name, justify in (("metric", "left"), ("value", "right"), ("95 % interval", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("n", justify="right")
    table.add_column("origin")
    for key, metric in ordered_metrics(bundle):
        table.add_row(
            REGISTRY[key].title,
            format_value(key, metric["value"]),
            interval_text(key, metric),
            f"{metric['n']:,}",
            metric["origin"],
        )
    return Group(table, *_verdict_lines(bundle))


def ordered_metrics(bundle: Bundle) -> list[tuple[str, dict[str, Any]]]:
    """The bundle's metrics in the registry's order."""
    metrics = bundle.metrics["metrics"]
    return [(key, metrics[key]) for key in REGISTRY if key in metrics]


def interval_text(key: str, metric: dict[str, Any]) -> str:
    if metric["low"] is None:
        return ""
    return f"{format_value(key, metric['low'])} – {format_value(key, metric['high'])}"


def _verdict_lines(bundle: Bundle) -> list[Text]:
    verdict = bundle.metrics["verdict"]
    lines = [Text.assemble("verdict: ", (verdict["status"], COLOURS[verdict["status"]]))]
    lines += [Text(f"  {reason}") for reason in verdict["reasons"]]
    if bundle.plan["workload"].get("synthetic"):
        lines.append(Text(f"  {SYNTHETIC}", style="bold"))
    if not bundle.plan["silicon_tested"]:
        lines.append(Text(f"  {bundle.plan['board']} is {UNTESTED}", style="dim"))
    return lines


def run_rows(bundles: Sequence[Bundle]) -> list[dict[str, Any]]:
    """One object per run, oldest first; of a damaged one, what can still be read."""
    rows = []
    for bundle in bundles:
        plan = bundle.plan
        workload, subject = plan.get("workload", {}), plan.get("subject", {})
        rows.append(
            {
                "run": bundle.run,
                "bundle": str(bundle.folder),
                "state": bundle.state,
                "board": plan.get("board"),
                "backend": plan.get("backend"),
                "workload": workload.get("name"),
                "model": subject.get("model"),
                "scheme": subject.get("scheme"),
            }
        )
    return rows


def study_rows(studies: Sequence[StudyFolder]) -> list[dict[str, Any]]:
    """One object per study, in the form of :func:`run_rows`."""
    return [
        {
            "run": study.folder.name,
            "bundle": str(study.folder),
            "state": "study" if study.sealed else "interrupted",
            "board": study.plan.get("board"),
            "backend": study.plan.get("backend"),
            "workload": study.plan.get("workload", {}).get("name"),
            "model": study.plan.get("model"),
            "scheme": ", ".join(s["name"] for s in study.plan.get("subjects", [])),
        }
        for study in studies
    ]


def run_list(rows: Sequence[dict[str, Any]]) -> Table | Text:
    """A line for each run and study."""
    if not rows:
        return Text("no runs here yet")
    table = Table()
    for name in ("run", "state", "workload", "model", "scheme"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            *(str(row[name] or "") for name in ("run", "state", "workload", "model", "scheme"))
        )
    return table


def board_rows(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """One object per board of the catalogue."""
    return [
        {
            "board": board.id,
            "title": board.title,
            "mcu": board.mcu,
            "core": board.core,
            "clock_hz": board.clock_hz,
            "backends": list(board.backends),
            "silicon_tested": board.silicon_tested,
        }
        for board in boards
    ]


def board_list(boards: Sequence[Board]) -> Table:
    table = Table()
    for name in ("board", "title", "core", "backends", "silicon"):
        table.add_column(name)
    for board in boards:
        tested = "tested" if board.silicon_tested else UNTESTED
        if "silicon" not in board.backends:
            tested = "–"
        table.add_row(board.id, board.title, board.core, ", ".join(board.backends), tested)
    return table


def workload_rows(workloads: Sequence[Workload]) -> list[dict[str, Any]]:
    """One object per workload; ``missing`` is the command that makes it available, or None."""
    return [
        {
            "workload": w.name,
            "task": w.task,
            "metric": w.metric,
            "target": w.target,
            "vectors": w.count,
            "classes": list(w.classes),
            "schemes": list(w.schemes),
            "synthetic": w.synthetic,
            "preprocessing": w.preprocessing,
            "missing": w.missing(),
            "card": w.card,
        }
        for w in workloads
    ]


def workload_list(workloads: Sequence[Workload]) -> Table:
    table = Table()
    for name, justify in (("workload", "left"), ("metric", "left"), ("target", "right"),
                          ("n", "right"), ("data", "left"), ("available", "left")):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for w in workloads:
        target = "" if w.target is None else format_value(w.metric, w.target)
        table.add_row(
            w.name,
            REGISTRY[w.metric].title,
            target,
            "" if w.count is None else f"{w.count:,}",
            "synthetic" if w.synthetic else "real",
            w.missing() or "yes",
        )
    return table


def workload_card(workload: Workload) -> Group:
    """One workload: its line of the list, how values are made, and the card."""
    lines = [Text(workload.card.strip()), Text(f"Preprocessing: {workload.preprocessing}")]
    if workload.schemes:
        lines.append(Text(f"Models that ship: {', '.join(workload.schemes)}"))
    return Group(workload_list([workload]), *lines)


def finding_list(findings: Sequence[Any]) -> Table:
    """What the doctor saw, with remedies."""
    colours = {"ok": "green", "absent": "yellow", "problem": "red"}
    table = Table()
    for name in ("what", "status", "seen", "remedy"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=colours[finding.status])
        table.add_row(finding.what, status, finding.seen, finding.remedy)
    return table


def device_list(rows: Sequence[Any], probes: Sequence[Any], ports: Sequence[Any]) -> Table | Text:
    """Connected devices; where none is known, what there is instead."""
    if not rows:
        lines = ["no known board is connected"]
        lines += [f"  probe {p.description} {p.unique_id} (board id {p.board_id})" for p in probes]
        lines += [f"  port {p.device} {p.description}" for p in ports]
        return Text("\n".join(lines))
    table = Table()
    for name in ("name", "board", "probe", "port"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row["name"], row["board"], row["probe"], row["port"] or "none")
    return table


def pack_table(model: str, scheme: str, image: Any, estimated: Sequence[int | None]) -> Table:
    """Each operator's cost, and the totals.

    ``estimated``: instructions of each operator, None where not known; empty: no board is named,
    and shares are those of the multiply-accumulates.
    """
    title = (
        f"{model} ({scheme}): image {len(image.data):,} bytes, arena {image.arena_bytes:,} bytes"
    )
    known = [value for value in estimated if value is not None]
    total = sum(known) if known else image.macs
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("op", justify="right")
    table.add_column("operator", no_wrap=True)
    table.add_column("kernel")
    table.add_column("output", no_wrap=True)
    table.add_column("MACs", justify="right", footer=f"{image.macs:,}")
    if estimated:
        table.add_column("est. instr.", justify="right", footer=f"{sum(known):,}")
    table.add_column("est. share" if estimated else "share of MACs", justify="right")
    table.add_column("weights, B", justify="right")
    table.add_column("stored")
    for number, op in enumerate(image.ops):
        shape = "×".join(map(str, op.output_shape))
        part = estimated[number] if estimated else op.macs
        share = "" if part is None or not total else f"{100 * part / total:.1f} %"
        count = [] if not estimated else ["unknown" if part is None else f"{part:,}"]
        row = (op.name, op.kernel, shape, f"{op.macs:,}", *count, share, f"{op.weight_bytes:,}")
        table.add_row(str(number), *row, op.storage)
    return table


def estimate_note(quality: dict[str, Any] | None, unknown: int) -> str:
    """How good the estimated instructions are; ``unknown`` operators have none."""
    if quality is None:
        return "no estimate: no kernels of this board's instruction set were counted"
    text = (
        f"instructions are estimated, not counted: models that the fit had not seen were off by "
        f"{100 * quality['median_error']:.0f} % (median of {quality['models']}), "
        f"{100 * quality['worst_error']:.0f} % at worst"
    )
    return text + (f"; {unknown} operators are not in it" if unknown else "")
