"""Right results over a bad line: what is lost, altered, doubled or late is repeated and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.faulty_line import Faults, FaultyLine
from tests.host_agent import HostAgent

from hilbench import models, workloads
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.device.stream import unpack_result
from hilbench.link import open_link
from hilbench.schema import protocol as p

CASES = {
    "lose": Faults(lose=0.01),
    "corrupt": Faults(corrupt=0.01),
    "duplicate": Faults(duplicate=0.01),
    "delay": Faults(delay=0.02),
    "all": Faults(lose=0.01, corrupt=0.01, duplicate=0.01, delay=0.01),
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    graph = models.load(workloads.get("digits").default_model)
    image = tmp_path_factory.mktemp("image") / "image.bin"
    image.write_bytes(models.pack(graph).data)
    vectors = workloads.get("digits").vectors(graph).vectors
    return image, vectors, models.run_reference(graph, vectors).outputs


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "mode", [p.RunMode.ACCURACY, p.RunMode.TIMED], ids=lambda m: m.name.lower()
)
def test_every_output_is_right(
    host_agent: HostAgent,
    digits: tuple[Path, np.ndarray, np.ndarray],
    name: str,
    mode: p.RunMode,
) -> None:
    image, vectors, expected = digits
    if mode is p.RunMode.TIMED:
        vectors = vectors[:40]  # each waits for a poll when its frames are lost
    with host_agent.process("--image", str(image)) as far:
        line = FaultyLine(far, CASES[name], seed=7)
        link = open_link(line.port, 115200)
        try:
            device = Device(link)
            device.attest()
            device.load_image()
            line.active = True
            statistics = StreamStatistics()
            request = RunRequest(mode, vectors.tobytes(), vectors.shape[1], len(vectors))
            outputs = {}
            for record in run_stream(device, request, statistics, deadline_s=20):
                if record.kind is p.RecordKind.RESULT:
                    result, output = unpack_result(record.body)
                    assert result.vector not in outputs, "a vector was counted twice"
                    outputs[result.vector] = output
            struck = dict(line.struck)
        finally:
            link.close()
            line.close()
    assert outputs == {v: expected[v].tobytes() for v in range(len(vectors))}
    names = list(struck) if name == "all" else [name]
    if mode is p.RunMode.ACCURACY:
        assert all(struck[kind] > 0 for kind in names), f"the fault never struck: {struck}"
        if name in ("lose", "corrupt", "all"):
            assert statistics.retransmissions > 0


def test_clean_line_has_no_retransmissions(
    host_agent: HostAgent, digits: tuple[Path, np.ndarray, np.ndarray]
) -> None:
    image, vectors, expected = digits
    with host_agent.device("--image", str(image)) as device:
        device.load_image()
        statistics = StreamStatistics()
        request = RunRequest(p.RunMode.ACCURACY, vectors.tobytes(), vectors.shape[1], len(vectors))
        records = list(run_stream(device, request, statistics, deadline_s=20))
    assert statistics.retransmissions == 0
    assert statistics.in_bytes == vectors.nbytes
    assert [r.kind for r in records] == [p.RecordKind.RESULT] * len(vectors) + [p.RecordKind.END]
    assert len(expected) == len(vectors)
