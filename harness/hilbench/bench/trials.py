"""The further trials of an acceptance run: every layer against the reference, every baud rate."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from hilbench import models
from hilbench.bench.plan import Plan
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.device.client import LinkMode
from hilbench.schema import protocol as p

LAYER_VECTORS = 10
BAUD_RATES = (115_200, 230_400, 460_800, 921_600)
#: Long enough to fill the window many times over at every rate.
TRIAL_VECTOR_BYTES = 490
TRIAL_S = 1.0


def check_layers(plan: Plan, device: Device) -> dict[str, Any]:
    """Compare the CRC of every operator's output with the host's reference.

    Returns
    -------
    dict
        ``vectors``, ``ops``; ``mismatches``: (vector, op) pairs that differ; ``ticks``: median of
        each operator's raw ticks; ``overhead``: ticks of an empty window.
    """
    vectors = plan.vectors[:LAYER_VECTORS]
    expected = models.run_reference(plan.graph, vectors, layers=True).layer_crc
    assert expected is not None
    request = RunRequest(p.RunMode.LAYERS, vectors.tobytes(), int(vectors.shape[1]), len(vectors))
    mismatches, overhead = [], 0
    ticks: list[list[int]] = [[] for _ in range(expected.shape[1])]
    for record in run_stream(device, request, StreamStatistics(), plan.options.deadline_s):
        if record.kind is p.RecordKind.LAYER:
            layer = p.Layer.unpack(record.body)
            ticks[layer.op].append(layer.ticks)
            if layer.crc != int(expected[layer.vector, layer.op]):
                mismatches.append([layer.vector, layer.op])
        elif record.kind is p.RecordKind.OVERHEAD:
            overhead = p.Overhead.unpack(record.body).ticks
    return {
        "vectors": len(vectors),
        "ops": expected.shape[1],
        "mismatches": mismatches,
        "ticks": [median(values) if values else None for values in ticks],
        "overhead": overhead,
    }


def try_link(plan: Plan, device: Device, in_force: LinkMode) -> Iterator[dict[str, Any]]:
    """Transfer about a second of vectors at each baud rate that the board claims."""
    current = in_force
    for baud in BAUD_RATES:
        if not plan.board.uart.baud <= baud <= plan.board.uart.max_baud:
            continue
        wanted = LinkMode(baud, in_force.rx_mode)
        current = device.negotiate(wanted, current)
        if current != wanted:
            yield {"baud": baud, "rx_mode": wanted.rx_mode, "works": False}
            continue
        yield {"baud": baud, "rx_mode": wanted.rx_mode, "works": True, **measure_sink(device, baud)}
    device.negotiate(in_force, current)


def measure_sink(device: Device, baud: int) -> dict[str, Any]:
    """Goodput of vectors that the device receives and drops."""
    count = max(20, int(baud / 10 * TRIAL_S / TRIAL_VECTOR_BYTES))
    data = bytes(i * 7 & 0xFF for i in range(TRIAL_VECTOR_BYTES)) * count
    statistics = StreamStatistics()
    request = RunRequest(p.RunMode.SINK, data, TRIAL_VECTOR_BYTES, count)
    for _ in run_stream(device, request, statistics, 10.0):
        pass
    return {
        "goodput_Bps": statistics.goodput_Bps,
        "share_of_line": statistics.goodput_Bps / (baud / 10),
        "retransmissions": statistics.retransmissions,
    }
