"""The report of ``hilbench compress``: a table for the terminal, a page with waterfalls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hilbench.reports import plots
from hilbench.reports.page import render_page
from hilbench.reports.waterfall import Step, waterfall
from hilbench.units import REGISTRY, format_value

if TYPE_CHECKING:
    from rich.console import Group

#: What a stage costs on the device: the first of these that its run has.
COSTS = ("latency_s", "cycles_per_inference", "instructions_per_inference")
LINEAGES = {
    "small": "A smaller network",
    "same": "The teacher's architecture, unchanged",
}
Result = dict[str, Any]


def compress_table(result: Result) -> Group:
    """Every stage, then what it came to."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_title(result), title_justify="left")
    table.add_column("stage", overflow="fold")
    for name in (".tflite", "image", "factor", "top-1", "vs teacher", _cost_title(result)):
        table.add_column(name, justify="right")
    for row in rows(result):
        table.add_row(
            row["title"],
            row["tflite"],
            row["image"],
            row["factor"],
            row["top1"],
            row["shift"],
            row["cost"],
            style="" if row["on_the_way"] else "dim",
        )
    return Group(table, *(Text(f"- {line}") for line in conclusions(result)))


def render_compress(result: Result) -> str:
    """One self-contained page: no script, no external request."""
    return render_page(
        "compress.html.j2",
        result=result,
        title=_title(result),
        cost_title=_cost_title(result),
        rows=rows(result),
        teachers=result["teachers"],
        conclusions=conclusions(result),
        lineages=[(title, list(_plots(result, key))) for key, title in LINEAGES.items()],
        settings=list(result["settings"].items()),
    )


def _title(result: Result) -> str:
    where = f"on {result['board']}" if result["board"] else "no board"
    synthetic = ", synthetic data" if result["synthetic"] else ""
    return f"compress {result['workload']}{synthetic}, {where}, seed {result['settings']['seed']}"


def _cost_title(result: Result) -> str:
    key = _cost_key(result["stages"][0])
    return REGISTRY[key].title if key else "device"


def _cost_key(stage: Result) -> str | None:
    device = stage["device"] or {}
    return next((key for key in COSTS if key in device), None)


def rows(result: Result) -> list[dict[str, Any]]:
    """A stage each, as text."""
    teacher = result["stages"][0]
    return [
        {
            "key": stage["key"],
            "title": _stage_title(stage),
            "on_the_way": bool(stage["lineage"]),
            "parameters": f"{stage['parameters']:,}",
            "zeros": f"{100 * stage['zeros']:.0f} %",
            "tflite": f"{stage['tflite_bytes']:,}",
            "image": f"{stage['image_bytes']:,}",
            "huffman": f"{stage['image_huffman_bytes']:,}",
            "factor": f"{teacher['tflite_bytes'] / stage['image_bytes']:.1f} ×",
            "top1": f"{100 * stage['top1']['value']:.1f} %",
            "shift": _shift_text(stage["vs_teacher"]),
            "cost": _cost_text(stage),
            "stage": stage,
        }
        for stage in result["stages"]
    ]


def _stage_title(stage: Result) -> str:
    return f"same: {stage['title']}" if stage["key"].startswith("same-") else str(stage["title"])


def _shift_text(paired: Result | None) -> str:
    if paired is None:
        return ""
    points = (100 * paired[key] for key in ("accuracy_shift", "low", "high"))
    shift, low, high = points
    return f"{shift:+.1f} [{low:+.1f}, {high:+.1f}]"


def _cost_text(stage: Result) -> str:
    key = _cost_key(stage)
    return format_value(key, stage["device"][key]["value"]) if key else ""


# ---------------------------------------------------------------- words


def conclusions(result: Result) -> list[str]:
    """What the figures say, and what they don't."""
    stages = {stage["key"]: stage for stage in result["stages"]}
    lines = [_outcome(result, key) for key in LINEAGES]
    lines.append(_of_pruning(stages))
    lines += [_of_awareness(stages, entry) for entry in result["summary"]["aware_vs_post_training"]]
    lines.append(_of_teachers(result))
    mismatches = [(s["device"] or {}).get("output_mismatches") for s in result["stages"]]
    if all(m is not None for m in mismatches):
        wrong = sum(m["value"] for m in mismatches if m)
        outputs = "every output equal" if not wrong else f"{wrong:,.0f} outputs differ"
        lines.append(f"All {len(stages)} stages ran on the board, {outputs} to the reference.")
    return lines


def _outcome(result: Result, key: str) -> str:
    summary = result["summary"][key]
    n = result["held_out"]
    return (
        f"{LINEAGES[key]}: {summary['teacher_tflite_bytes']:,} bytes of float model become an "
        f"image of {summary['image_bytes']:,}, {summary['factor']:.1f} times smaller; accuracy "
        f"{_shift_text(summary)} points on {n} held-out vectors "
        f"(95 % interval; McNemar p = {summary['mcnemar_p']:.3g})."
    )


def _of_pruning(stages: dict[str, Result]) -> str:
    """Zeros are worth something only where the storage knows of them."""
    sparse = stages["sparse"]
    parent = stages[sparse["parent"]]
    coded = stages["huffman"]
    text = (
        f"Pruned weights alone gain nothing on this dense engine: with {100 * sparse['zeros']:.0f} "
        f"% zeros the image has {sparse['image_plain_bytes']:,} bytes, before it "
        f"{parent['image_plain_bytes']:,}"
    )
    key = _cost_key(sparse)
    if key:
        cost, before = (s["device"][key]["value"] for s in (sparse, parent))
        text += f", and {REGISTRY[key].title.lower()} {_same_or_change(cost, before)}"
    text += (
        ". Zeros shorten the Huffman code: coded, that float image would have "
        f"{sparse['image_huffman_bytes']:,} bytes, and the quantized one "
    )
    if coded["image_bytes"] == coded["image_plain_bytes"]:
        return f"{text}is too small for the code's tables to pay."
    return (
        f"{text}shrinks from {coded['image_plain_bytes']:,} to {coded['image_bytes']:,}. Decoding "
        "costs time in each inference, or with --decode once RAM."
    )


def _same_or_change(value: float, before: float) -> str:
    change = (value - before) / before
    return "stay the same" if abs(change) < 0.0005 else f"change by {100 * change:+.1f} %"


def _of_awareness(stages: dict[str, Result], entry: Result) -> str:
    tuned, after = stages[entry["stage"]], stages[entry["reference"]]
    verdict = "significant" if entry["mcnemar_p"] < 0.05 else "not significant"
    return (
        f"{_stage_title(tuned)}: {100 * tuned['top1']['value']:.1f} % against "
        f"{100 * after['top1']['value']:.1f} % post-training: {_shift_text(entry)} points, "
        f"{verdict} (McNemar p = {entry['mcnemar_p']:.3g})."
    )


def _of_teachers(result: Result) -> str:
    tried = ", ".join(
        f"{t['parameters']:,} ({100 * t['validation_top1']:.1f} %, p = {t['p']:.2g})"
        for t in result["teachers"]
    )
    return (
        f"The teacher is the smallest of three that is not significantly below the best on the "
        f"{result['validation']} validation vectors: {tried}. So few vectors tell only large "
        "differences apart."
    )


# ---------------------------------------------------------------- plots


def _plots(result: Result, lineage: str) -> Iterator[tuple[str, str, str]]:
    """(heading, caption, SVG) of a lineage."""
    way = [stage for stage in result["stages"] if lineage in stage["lineage"]]
    teacher = way[0]["tflite_bytes"]
    steps = [Step("Teacher, float .tflite", teacher, f"{teacher:,} B")]
    steps += [
        Step(
            str(stage["title"]),
            stage["image_bytes"],
            f"{stage['image_bytes']:,} B, {teacher / stage['image_bytes']:.1f} ×",
        )
        for stage in way
    ]
    yield (
        "Flash",
        "The image: everything that is flashed for the model. Static, exact.",
        waterfall(steps, f"{lineage}-image", "bytes of the image after each stage"),
    )
    key = _cost_key(way[0])
    if key:
        costs = [Step(str(s["title"]), s["device"][key]["value"], _cost_text(s)) for s in way]
        origin = way[0]["device"][key]["origin"]
        yield (
            REGISTRY[key].title,
            f"From a run of every stage on {result['board']}; origin: {origin}.",
            waterfall(costs, f"{lineage}-cost", f"{REGISTRY[key].title} of each stage"),
        )
    yield (
        "Accuracy",
        f"Top-1 on {result['held_out']} held-out vectors, 95 % Wilson intervals; pairs are "
        "compared in the table.",
        plots.bars(
            [
                plots.Bar(
                    str(s["title"]),
                    s["top1"]["value"],
                    f"{100 * s['top1']['value']:.1f} %",
                    s["top1"]["low"],
                    s["top1"]["high"],
                )
                for s in way
            ],
            f"{lineage}-accuracy",
            "accuracy after each stage",
            1.0,
        ),
    )
