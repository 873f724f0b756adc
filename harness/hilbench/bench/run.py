"""One run from options to a sealed bundle, and the continuation of an interrupted one."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilbench.backends.base import Progress, create_backend
from hilbench.bench.plan import Plan, restore
from hilbench.bench.recorded import read_events
from hilbench.bench.results import compute
from hilbench.bench.session import Session, new_bundle
from hilbench.errors import BundleError, HilbenchError
from hilbench.reports.html import render_html
from hilbench.store import Bundle, BundleWriter, open_bundle
from hilbench.store.files import host_io_error

Say = Callable[[str], None]


def run(plan: Plan, progress: Progress, say: Say) -> Bundle:
    """Execute a plan and seal its bundle.

    Raises
    ------
    HilbenchError
        The first cause; the bundle, if one was begun, stays resumable.
    """
    backend = create_backend(plan.board, plan.spec.name, plan.options.device)
    try:
        say(f"device: {backend.acquire()}")
        writer = new_bundle(plan, time.time())
    except BaseException:
        backend.close()
        raise
    return _complete(Session(plan, backend, writer, progress, say, done={}))


def resume(folder: Path, progress: Progress, say: Say) -> Bundle:
    """Go on with an interrupted run: only what its journal lacks is measured.

    Raises
    ------
    BundleError
        When it is complete, or model, vectors or firmware changed since.
    """
    plan = restore(_interrupted(folder))
    writer = BundleWriter.reopen(folder)
    try:
        recorded = read_events(open_bundle(folder, verify=False).journal())
        if "measured" in recorded.events:
            return finish(writer)
        done = recorded.done(writer.plan)
        backend = create_backend(plan.board, plan.spec.name, plan.options.device)
        try:
            say(f"device: {backend.acquire()}")
        except BaseException:
            backend.close()
            raise
        say(f"resuming: {', '.join(f'{mode} {n} vectors done' for mode, n in done.items())}")
        first = recorded.events.get("attested", {}).get("hello", {}).get("unique_id")
        return _complete(Session(plan, backend, writer, progress, say, done, first))
    finally:
        writer.close()


def remaining(folder: Path) -> dict[str, Any]:
    """What :func:`resume` would do: mode -> vectors done and vectors in all."""
    bundle = _interrupted(folder)
    done = read_events(bundle.journal()).done(bundle.plan)
    total = {
        "accuracy": bundle.plan["workload"]["vectors"],
        "performance": bundle.plan["performance_vectors"],
    }
    modes = [mode for mode in bundle.plan["modes"] if mode in total]
    return {mode: {"done": done[mode], "vectors": total[mode]} for mode in modes}


def _interrupted(folder: Path) -> Bundle:
    bundle = open_bundle(folder, verify=False)
    if bundle.sealed:
        raise BundleError(f"{folder} is complete", hint="`hilbench report` shows it")
    return bundle


def _complete(session: Session) -> Bundle:
    writer = session.writer
    try:
        try:
            session.execute()
        except HilbenchError:
            raise
        except Exception:
            writer.write("traceback.txt", traceback.format_exc().encode())
            raise
        return finish(writer)
    finally:
        writer.close()


def finish(writer: BundleWriter) -> Bundle:
    """Compute the results of a complete journal and seal the bundle."""
    bundle = open_bundle(writer.folder, verify=False)
    events = bundle.journal()
    results = compute(
        bundle.plan,
        events,
        bundle.array("expected.npy"),
        bundle.array("labels.npy"),
        bundle.array("values.npy"),
        bundle.array("files.npy"),
    )
    recorded = read_events(events)
    provenance = {**recorded.events["attested"], "counters": recorded.events["counters"]}
    try:
        writer.write_json("provenance.json", provenance)
        for name, text in (
            ("samples.csv", results.samples_csv),
            ("windows.csv", results.windows_csv),
        ):
            if text:
                writer.write(name, text.encode())
        if results.outputs is not None:
            writer.write_array("outputs.npy", results.outputs)
        writer.write_json(
            "metrics.json",
            {
                "schema": "hilbench-metrics-1",
                "metrics": {key: metric.to_json() for key, metric in results.metrics.items()},
                "verdict": results.verdict.to_json(),
            },
        )
        writer.write("report.html", render_html(open_bundle(writer.folder, verify=False)).encode())
        return writer.seal()
    except OSError as error:
        raise host_io_error(writer.folder, error) from error
