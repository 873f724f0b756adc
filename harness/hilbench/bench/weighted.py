"""Weighted counts of windows, from an emulator's log of the firmware's counter reads.

An instruction that moves several registers to or from memory (LDM, STM, PUSH, POP, LDRD, STRD,
VLDM, VSTM, VPUSH, VPOP) weighs one per core, S or D register, any other one: about the time that
the transfers take.  A window is two consecutive reads of the counter (``counter_start`` and
``counter_stop`` of the firmware's port), and the ticks that the device reports are their
difference: so each window of the log must be equal to its result, or nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence

Read = tuple[int, int]
_MODULUS = 1 << 32


def reads_wanted(windows: int) -> int:
    """How many of the last counter reads cover ``windows`` windows and one empty one before."""
    return 2 * (windows + 1)


def join(reads: Sequence[Read], overhead: int, ticks: Sequence[int]) -> tuple[int, list[int]]:
    """Weighted counts of the empty window and of each of the windows after it.

    Parameters
    ----------
    reads : sequence of (int, int)
        The last :func:`reads_wanted` counter reads: plain and weighted, modulo 2**32.
    overhead, ticks : int, sequence of int
        What the device reported: of the empty window, and of each window in order.

    Raises
    ------
    ValueError
        When the log does not hold exactly these windows.
    """
    wanted = reads_wanted(len(ticks))
    if len(reads) != wanted:
        raise ValueError(f"{wanted} counter reads expected, {len(reads)} logged")
    pairs = list(zip(reads[::2], reads[1::2], strict=True))
    for number, ((start, _), (stop, _), reported) in enumerate(
        (*pair, value) for pair, value in zip(pairs, (overhead, *ticks), strict=True)
    ):
        if (stop - start) % _MODULUS != reported % _MODULUS:
            name = f"window {number - 1}" if number else "the empty window"
            seen = (stop - start) % _MODULUS
            raise ValueError(f"{name}: {reported} ticks reported, {seen} in the log of reads")
    weighted = [(stop[1] - start[1]) % _MODULUS for start, stop in pairs]
    return weighted[0], weighted[1:]
