"""Windows of an emulator's log of counter reads, and the device's results: equal, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.bench.weighted import join, reads_wanted

WRAP = 1 << 32


def log(windows: list[tuple[int, int]], at: int = 0) -> list[tuple[int, int]]:
    """Counter reads around windows of so many plain and weighted instructions."""
    reads, weighted_at = [], at // 2
    for plain, weighted in windows:
        reads += [(at, weighted_at), ((at + plain) % WRAP, (weighted_at + weighted) % WRAP)]
        at, weighted_at = (at + plain + 1000) % WRAP, (weighted_at + weighted + 1500) % WRAP
    return reads


WINDOW = st.tuples(st.integers(1, WRAP - 1), st.integers(1, WRAP - 1))


@given(WINDOW, st.lists(WINDOW, max_size=5), st.integers(0, WRAP - 1))
def test_windows_are_found_wherever_the_counter_wraps(
    empty: tuple[int, int], windows: list[tuple[int, int]], at: int
) -> None:
    reads = log([empty, *windows], at)
    assert len(reads) == reads_wanted(len(windows))
    overhead, weighted = join(reads, empty[0], [plain for plain, _ in windows])
    assert (overhead, weighted) == (empty[1], [w for _, w in windows])


READS = log([(10, 12), (500, 600), (510, 620)])


@pytest.mark.parametrize(
    ("reads", "overhead", "ticks", "message"),
    [
        (READS[2:], 10, [500, 510], "6 counter reads expected, 4 logged"),
        (READS, 11, [500, 510], "the empty window: 11 ticks reported, 10 in the log"),
        (READS, 10, [500, 511], "window 1: 511 ticks reported, 510 in the log"),
        (READS[1:] + READS[:1], 10, [500, 510], "the empty window"),
    ],
)
def test_what_differs_is_named(
    reads: list[tuple[int, int]], overhead: int, ticks: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        join(reads, overhead, ticks)
