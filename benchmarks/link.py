"""How fast vectors travel: transfer alone, device computation, and the whole run.

    python benchmarks/link.py [--board nucleo-f746] [--backend virtual] [--model FILE] [--vectors N]

First the link alone: goodput in both directions as a share of baud / 10, for vectors of keyword
spotting's size (490 bytes), the median of five.  Then three columns for a model's vectors: the
transfer alone (the device receives and drops them), the whole accuracy run, which overlaps transfer
and inference, and their difference, which is the computation on this backend (host time: on an
emulator it says nothing of the board).  For scale: 1,000 vectors of 490 bytes take 126 s by the hex
text protocol at 115,200 baud.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from hilbench import models, workloads
from hilbench.backends.base import create_backend
from hilbench.bench.plan import choose_backend
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import load_firmware
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.device.client import LinkMode
from hilbench.schema import protocol as p

TRIALS = 5
LINK_VECTORS, LINK_VECTOR_BYTES = 1000, 490


@contextmanager
def prepared_device(
    board_id: str, backend_name: str | None, image: bytes
) -> Iterator[tuple[Device, int]]:
    """A flashed, attested device at its highest baud rate, its image loaded."""
    board = find_board(load_catalogue(), board_id)
    spec = choose_backend(board, backend_name)
    backend = create_backend(board, spec.name, None)
    try:
        backend.acquire()
        backend.prepare(load_firmware(board.firmware), image, lambda stage, fraction: None)
        device = backend.start()
        hello = device.attest()
        rx_mode = p.RxMode.DMA if hello.rx_modes & p.RxMode.DMA else hello.rx_mode
        wanted = LinkMode(min(board.uart.max_baud, hello.max_baud), rx_mode)
        mode = device.negotiate(wanted, LinkMode(hello.baud, hello.rx_mode))
        device.load_image()
        yield device, mode.baud
    finally:
        backend.close()


def transfer(
    device: Device, mode: p.RunMode, data: bytes, size: int, count: int
) -> tuple[float, StreamStatistics]:
    """Seconds of one run of ``count`` vectors of ``size`` bytes, and its statistics."""
    statistics = StreamStatistics()
    started = time.monotonic()
    for _ in run_stream(device, RunRequest(mode, data, size, count), statistics, 60.0):
        pass
    return time.monotonic() - started, statistics


def link_alone(device: Device, baud: int) -> None:
    """Print goodput in both directions."""
    size, count = LINK_VECTOR_BYTES, LINK_VECTORS
    data = np.random.default_rng(0).integers(0, 256, size * count, np.uint8).tobytes()
    seconds, shares_in, shares_out, repeats = [], [], [], 0
    for _ in range(TRIALS):
        spent_s, statistics = transfer(device, p.RunMode.SINK, data, size, count)
        seconds.append(spent_s)
        shares_in.append(statistics.goodput_Bps / (baud / 10))
        repeats += statistics.retransmissions
        _, statistics = transfer(device, p.RunMode.SOURCE, b"", size, count)
        shares_out.append(statistics.out_goodput_Bps / (baud / 10))
        repeats += statistics.retransmissions
    print(f"link alone, {baud:,} baud, {count} vectors of {size} bytes, {TRIALS} trials")
    for name, shares in (("host to device", shares_in), ("device to host", shares_out)):
        spread = f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"
        print(f"  {name}   {100 * median(shares):6.1f} % of baud / 10   ({spread})")
    print(f"  transfer         {median(seconds):6.2f} s")
    print(f"  retransmissions  {repeats:6d}")


def whole_run(device: Device, vectors: np.ndarray, name: str) -> None:
    """Print the three columns."""
    count, size = vectors.shape
    data = vectors.tobytes()
    alone_s, _ = transfer(device, p.RunMode.SINK, data, size, count)
    total_s, _ = transfer(device, p.RunMode.ACCURACY, data, size, count)
    print(f"{name}, {count} vectors of {size} bytes")
    print("  transfer alone | computation (this backend) |   total")
    print(f"  {alone_s:12.2f} s | {max(0.0, total_s - alone_s):24.2f} s | {total_s:6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="nucleo-f746")
    parser.add_argument("--backend", default="virtual")
    parser.add_argument("--model", type=Path, help="default: the digits model and its vectors")
    parser.add_argument("--vectors", type=int, default=1000)
    options = parser.parse_args()
    digits = workloads.get("digits")
    graph = models.load(options.model or digits.default_model)
    if options.model is None:
        data = digits.vectors(graph).first(options.vectors)
    else:
        data = workloads.random_vectors(graph, options.vectors, 0)
    isa = find_board(load_catalogue(), options.board).isa
    image = models.pack(graph, isa=isa).data
    with prepared_device(options.board, options.backend, image) as (device, baud):
        print(f"{options.board}, {options.backend}")
        link_alone(device, baud)
        whole_run(device, data.vectors, graph.name)


if __name__ == "__main__":
    main()
