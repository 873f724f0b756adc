"""Where a deployed model goes wrong: the first layer whose output differs from the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import models
from hilbench.bench.plan import Plan
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.errors import AttestationError, DeviceError
from hilbench.models.lowering import layers as layers_of
from hilbench.schema import protocol as p

Array = NDArray[Any]
#: Differing channels that are named one by one.
NAMED_CHANNELS = 8


@dataclass(frozen=True, eq=False)
class Difference:
    """An operator's output on the device and on the host, shape and type of the tensor."""

    vector: int
    operator: int
    device: Array
    reference: Array

    def to_json(self, plan: Plan) -> dict[str, Any]:
        """What differs, and where first; ``repeated`` is False when a second run was right."""
        op = plan.image.ops[self.operator]
        wrong = self.device != self.reference
        described: dict[str, Any] = {
            "vector": self.vector,
            "operator": self.operator,
            "name": op.name,
            "kernel": op.kernel,
            "tensor": op.output,
            "shape": list(self.reference.shape),
            "elements": int(self.reference.size),
            "differing": int(wrong.sum()),
            "repeated": bool(wrong.any()),
        }
        if not wrong.any():
            return described
        first = np.unravel_index(int(np.flatnonzero(wrong)[0]), wrong.shape)
        channels = np.flatnonzero(wrong.reshape(-1, wrong.shape[-1]).any(axis=0))
        described["first"] = {
            "index": [int(i) for i in first],
            "channel": int(first[-1]),
            "element": int(np.flatnonzero(wrong)[0]),
            "device": self.device[first].item(),
            "reference": self.reference[first].item(),
        }
        described["channels"] = [int(c) for c in channels[:NAMED_CHANNELS]]
        described["channel_count"] = len(channels)
        described["pattern"] = _pattern(wrong, len(channels))
        return described


def _pattern(wrong: NDArray[np.bool_], channels: int) -> str:
    """What such a difference usually comes from, in words."""
    count = int(wrong.sum())
    if count == 1 and wrong.size > 1:
        return "one element: a store, an index or a border of the kernel"
    if channels == 1 and wrong.shape[-1] > 1:
        return "one channel: its weights, its bias, its multiplier, or a block of the kernel"
    if count > wrong.size // 2:
        return "most of the tensor: a zero point, a scale, or the kernel as a whole"
    return "several elements: borders, remainders of a block, or saturation"


def find_difference(plan: Plan, device: Device, layers: dict[str, Any]) -> Difference | None:
    """The first layer of the first vector that differs, fetched from the device.

    Parameters
    ----------
    plan : Plan
    device : Device
    layers : dict
        From :func:`hilbench.bench.trials.check_layers`.
    """
    if not layers["mismatches"]:
        return None
    vector, operator = min(layers["mismatches"])
    step = layers_of(models.lower(plan.graph))[operator]
    raw = _dump(plan, device, vector, operator)
    reference = models.run_tensors(plan.graph, plan.vectors[vector : vector + 1])[step.output][0]
    if len(raw) != reference.nbytes:
        raise DeviceError(
            f"the device sent {len(raw)} bytes of operator {operator}'s output, expected "
            f"{reference.nbytes}"
        )
    got = np.frombuffer(raw, reference.dtype).reshape(reference.shape)
    return Difference(vector, operator, got, reference)


def image_state(device: Device) -> str:
    """Whether the image on the board still is what it was when the run began."""
    try:
        device.load_image()
    except AttestationError as error:
        return f"changed since it was validated: {error.message}"
    return "intact: its CRC is still right"


def _dump(plan: Plan, device: Device, vector: int, operator: int) -> bytes:
    """An operator's output on the device, bytes."""
    content = plan.vectors[vector].tobytes()
    request = RunRequest(p.RunMode.DUMP, content, len(content), 1, repeat=operator)
    raw = bytearray()
    for record in run_stream(device, request, StreamStatistics(), plan.options.deadline_s):
        if record.kind is p.RecordKind.TENSOR:
            head = p.Tensor.unpack(record.body[: p.Tensor.STRUCT.size])
            if head.offset != len(raw) or head.op != operator:
                raise DeviceError(f"a part of operator {head.op}'s output out of order")
            raw += record.body[p.Tensor.STRUCT.size :]
    return bytes(raw)
