"""A bundle as the one object that ``run --json`` and ``report --json`` print."""

from __future__ import annotations

from typing import Any

from hilbench.store import Bundle


def summary(bundle: Bundle) -> dict[str, Any]:
    """As one object; ``synthetic`` says whether the vectors were generated."""
    plan, verdict = bundle.plan, bundle.metrics["verdict"]
    return {
        "schema": "hilbench-run-1",
        "run": bundle.run,
        "bundle": str(bundle.folder),
        "board": plan["board"],
        "silicon_tested": plan["silicon_tested"],
        "backend": plan["backend"],
        "verdict": verdict["status"],
        "reasons": verdict["reasons"],
        "workload": plan["workload"]["name"],
        "synthetic": bool(plan["workload"].get("synthetic")),
        "model": plan["subject"]["model"],
        "scheme": plan["subject"]["scheme"],
        "metrics": bundle.metrics["metrics"],
    }
