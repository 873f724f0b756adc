"""How fast vectors travel: transfer alone, device computation, and the whole run.

    python benchmarks/link.py [--board nucleo-f746] [--backend virtual] [--vectors 1000] [--bytes 490]

Prints a table of three columns for vectors of keyword spotting's size: the transfer alone (the
device receives and drops them), the computation alone (their inferences, from an accuracy run less
its transfer), and the total of an accuracy run that overlaps both.  For scale, 1,000 such vectors
take 126 s by the hex text protocol at 115,200 baud.  Also prints goodput as a share of baud / 10 in
both directions, the median of five.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np

from hilbench import models, workloads
from hilbench.backends.base import create_backend
from hilbench.bench.plan import RunOptions, choose_backend
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import load_firmware
from hilbench.device import Device, RunRequest, StreamStatistics, run_stream
from hilbench.device.client import LinkMode
from hilbench.schema import protocol as p

TRIALS = 5


@contextmanager
def prepared_device(board_id: str, backend_name: str | None) -> Iterator[tuple[Device, int]]:
    """A flashed, attested device at its highest baud rate, with the digits model loaded."""
    board = find_board(load_catalogue(), board_id)
    spec = choose_backend(board, backend_name)
    backend = create_backend(board, spec.name, None)
    try:
        backend.acquire()
        image = models.pack(models.load(workloads.get("digits").default_model))
        backend.prepare(load_firmware(board.firmware), image.data, lambda stage, fraction: None)
        device = backend.start()
        hello = device.attest()
        best = p.RxMode.DMA if hello.rx_modes & p.RxMode.DMA else hello.rx_mode
        wanted = LinkMode(min(board.uart.max_baud, hello.max_baud), best)
        mode = device.negotiate(wanted, LinkMode(hello.baud, hello.rx_mode))
        device.load_image()
        yield device, mode.baud
    finally:
        backend.close()


def transfer(
    device: Device, mode: p.RunMode, data: bytes, size: int, count: int
) -> tuple[float, StreamStatistics]:
    """Seconds of one run and its statistics."""
    statistics = StreamStatistics()
    started = time.monotonic()
    for _ in run_stream(device, RunRequest(mode, data, size, count), statistics, 60.0):
        pass
    return time.monotonic() - started, statistics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="nucleo-f746")
    parser.add_argument("--backend", default="virtual")
    parser.add_argument("--vectors", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=490)
    options = parser.parse_args()
    RunOptions(board=options.board)
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, options.vectors * options.bytes, np.uint8).tobytes()
    with prepared_device(options.board, options.backend) as (device, baud):
        line_Bps = baud / 10
        sink, source, sink_s, repeats = [], [], [], 0
        for _ in range(TRIALS):
            seconds, statistics = transfer(
                device, p.RunMode.SINK, data, options.bytes, options.vectors
            )
            sink.append(statistics.goodput_Bps / line_Bps)
            sink_s.append(seconds)
            repeats += statistics.retransmissions
            seconds, statistics = transfer(
                device, p.RunMode.SOURCE, b"", options.bytes, options.vectors
            )
            source.append(statistics.out_goodput_Bps / line_Bps)
            repeats += statistics.retransmissions
        vectors = (
            workloads.get("digits")
            .vectors(models.load(workloads.get("digits").default_model))
            .vectors
        )
        count = min(options.vectors, len(vectors))
        total_s, _ = transfer(
            device, p.RunMode.ACCURACY, vectors[:count].tobytes(), vectors.shape[1], count
        )
        alone_s, _ = transfer(
            device, p.RunMode.SINK, vectors[:count].tobytes(), vectors.shape[1], count
        )
    print(
        f"{options.board} ({options.backend}), {baud:,} baud, {options.vectors} vectors of {options.bytes} bytes"
    )
    print(f"  transfer alone            {median(sink_s):8.2f} s   (median of {TRIALS})")
    print(
        f"  goodput host -> device    {100 * median(sink):8.1f} % of baud/10, {[f'{100 * s:.1f}' for s in sink]}"
    )
    print(
        f"  goodput device -> host    {100 * median(source):8.1f} % of baud/10, {[f'{100 * s:.1f}' for s in source]}"
    )
    print(f"  retransmissions           {repeats:8d}")
    print(f"digits, {count} vectors of {vectors.shape[1]} bytes, transfer and inference overlapped")
    print(
        f"  transfer alone {alone_s:.2f} s | the rest, device computation {max(0.0, total_s - alone_s):.2f} s | total {total_s:.2f} s"
    )


if __name__ == "__main__":
    main()
