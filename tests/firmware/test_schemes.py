"""Every scheme's weighted operators on the emulated boards give the reference's bytes."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import models
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.schema import protocol as p
from tests.firmware.qemu import running
from tests.firmware.schemes import SCHEMES, as_vectors, scheme_graph, scheme_inputs
from tests.firmware.test_dsp import layer_crcs

BOARDS = ("mps2-an386", "mps2-an385-m0", "mps2-an500", "mps3-an547", "rv32-virt")


def compare(board: str, seeds: range) -> None:
    isa = find_board(load_catalogue(), board).isa
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        for scheme in SCHEMES:
            for seed in seeds:
                graph = scheme_graph(seed, scheme, plain=seed % 2 == 0)
                feeds = as_vectors([scheme_inputs(graph, seed, 2)])
                coding = ("", "layer", "once")[seed % 3]
                image = models.pack(graph, isa=isa, coding=coding).data
                expected = models.run_reference(graph, feeds, layers=True).layer_crc
                got = layer_crcs(target.line, image, feeds)
                np.testing.assert_array_equal(got, expected, f"{scheme} {seed}")


@pytest.mark.emulated
@pytest.mark.parametrize(
    "board",
    [b if b == "mps2-an386" else pytest.param(b, marks=pytest.mark.slow) for b in BOARDS],
)
def test_every_scheme_is_exact(board: str) -> None:
    compare(board, range(2000, 2003))


@pytest.mark.emulated
@pytest.mark.slow
def test_more_networks_of_every_scheme_are_exact() -> None:
    compare("mps2-an386", range(3000, 3008))
