"""What the device says about one vector."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One vector's answer in accuracy mode.

    Attributes
    ----------
    vector : int
        Index in the workload.
    output : bytes
        The output tensors' bytes.
    retransmissions : int
        Frames that the link repeated, in either direction, since the vector before.
    """

    vector: int
    output: bytes
    retransmissions: int


@dataclass(frozen=True)
class Window:
    """One timed inference.

    Attributes
    ----------
    vector, repeat : int
        Which vector, and which of its repeats, from 0.
    ticks : int
        Raw ticks of the counter, the empty window's overhead included.
    interrupts : int
        Interrupts taken inside the window; 0 in a silent one.
    output : bytes
        The output tensors' bytes of this very inference.
    """

    vector: int
    repeat: int
    ticks: int
    interrupts: int
    output: bytes


@dataclass(frozen=True)
class LayerSample:
    """One operator's output of one vector, as its CRC-32, and its raw ticks."""

    vector: int
    op: int
    crc: int
    ticks: int
