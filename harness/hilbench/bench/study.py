"""Run a study: its subjects take turns on one board, round after round, each with its own bundle.

Turns cancel drift (ABBA): a board that slows down in time slows every subject down alike.  A visit
is a run cut into pieces by its journal, so a study that was killed goes on from what it has.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from hilbench.analysis.study import compare_subjects
from hilbench.backends.base import Progress, create_backend, find_device
from hilbench.bench.plan import Plan, restore
from hilbench.bench.recorded import read_events
from hilbench.bench.run import Say, finish
from hilbench.bench.session import Session, new_bundle
from hilbench.bench.study_plan import StudyPlan, in_folder, last_vector
from hilbench.errors import BundleError, HilbenchError, Interrupted
from hilbench.reports.study_html import render_study
from hilbench.store import BundleWriter, open_bundle
from hilbench.store.study import STUDY, StudyFolder, create_study, open_study


def run_study(study: StudyPlan, progress: Progress, say: Say) -> StudyFolder:
    """Execute a study and seal its folder.

    Raises
    ------
    HilbenchError
        The first cause; the study stays resumable.
    """
    reference = study.reference
    # a blocked board is found before a folder is left behind
    device = find_device(reference.board, reference.spec.name, reference.options.device)
    say(f"device: {device}")
    models = {f"models/{s.name}.tflite": s.content for s in study.subjects if s.content}
    models["float.tflite"] = study.float_model
    name = f"{reference.board.id}-{reference.spec.name}-{reference.workload.name}"
    folder = create_study(study.options.out, name, models)
    plans: dict[str, Plan] = {}
    content = study.to_json()
    created = time.time()
    for subject, entry in zip(study.subjects, content["subjects"], strict=True):
        if subject.plan is None:
            continue
        plans[subject.name] = in_folder(subject.plan, folder / "subjects")
        with closing(new_bundle(plans[subject.name], created)) as writer:
            entry["bundle"] = str(writer.folder.relative_to(folder))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    opened = StudyFolder(folder, {"study": folder.name, "created": stamp, **content})
    opened.write_json(STUDY, opened.plan)
    say(f"study: {folder}")
    return _complete(opened, plans, progress, say)


def resume_study(folder: Path, progress: Progress, say: Say) -> StudyFolder:
    """Go on with an interrupted study: only visits that its journals lack are made.

    Raises
    ------
    BundleError
        It is complete, or something that it needs changed since.
    """
    study = open_study(folder)
    if study.sealed:
        raise BundleError(f"{folder} is complete", hint="`hilbench report` shows it")
    plans = {}
    for name in study.names():
        bundle = study.bundle(name)
        if not bundle.sealed:
            plans[name] = restore(bundle)
    say(f"resuming: {len(study.names()) - len(plans)} of {len(study.names())} subjects are done")
    return _complete(study, plans, progress, say)


def remaining_visits(folder: Path) -> dict[str, dict[str, int]]:
    """What :func:`resume_study` would do: subject -> timed vectors done, and in all."""
    study = open_study(folder)
    left = {}
    for name in study.names():
        bundle = study.bundle(name)
        done = read_events(bundle.journal()).done(bundle.plan)
        total = int(bundle.plan["performance_vectors"])
        left[name] = {"done": done["performance"], "vectors": total}
    return left


def _complete(
    study: StudyFolder, plans: dict[str, Plan], progress: Progress, say: Say
) -> StudyFolder:
    try:
        for number, order in enumerate(study.plan["orders"]):
            for name in order:
                if name in plans:
                    folder = study.bundle(name, verify=False).folder
                    _visit(plans[name], folder, number, study.plan["rounds"], progress, name, say)
    except Interrupted as error:
        raise Interrupted(
            error.message, hint=f"go on with: hilbench resume {study.folder}"
        ) from error
    except HilbenchError:
        say(f"the study stays resumable: hilbench resume {study.folder}")
        raise
    bundles = {name: study.bundle(name) for name in study.names()}
    study.write_json("results.json", compare_subjects(study.plan, bundles))
    study.write("report.html", render_study(study, study.results()).encode())
    study.seal()
    return study


def _visit(
    plan: Plan, folder: Path, number: int, rounds: int, progress: Progress, name: str, say: Say
) -> None:
    """One turn of one subject on the board; nothing when its journal has it already."""
    bundle = open_bundle(folder, verify=False)
    if bundle.sealed:
        return
    with closing(BundleWriter.reopen(folder)) as writer:
        recorded = read_events(bundle.journal())
        done = recorded.done(writer.plan)
        last = number == rounds - 1
        until = {
            "accuracy": len(plan.vectors),
            "performance": last_vector(plan.timed_count, number, rounds),
        }
        if "measured" not in recorded.events:
            if not last and all(done[mode] >= count for mode, count in until.items()):
                return
            backend = create_backend(plan.board, plan.spec.name, plan.options.device)
            try:
                backend.acquire()
            except BaseException:
                backend.close()
                raise
            say(f"round {number + 1} of {rounds}: {name}")
            writer.journal.append("visit", round=number, started=time.time())
            first = recorded.events.get("attested", {}).get("hello", {}).get("unique_id")
            Session(
                plan=plan,
                backend=backend,
                writer=writer,
                progress=lambda stage, share: progress(f"{name} {stage}", share),
                say=lambda text: None,
                done=done,
                first_unique_id=first,
                until=None if last else until,
            ).execute()
        if last:
            finish(writer)
