"""Compare what the firmware says it is with what the plan expects (DESIGN invariant 2)."""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.errors import AttestationError
from hilbench.schema import protocol as p


@dataclass(frozen=True)
class Expectation:
    """What HELLO must say.

    Attributes
    ----------
    board : str
        Board id.
    firmware_digest : bytes
        16 bytes, from the prebuilt firmware's manifest.
    core_clock_hz, wait_states : int
        As the catalogue gives them.
    clock_flags : int
        Bit mask of ClockFlag.
    counter : str
        Counter kind.
    counter_hz : int
    unique_id : bytes or None
        As the probe read it; None where there is no probe.
    """

    board: str
    firmware_digest: bytes | None
    core_clock_hz: int
    clock_flags: int
    wait_states: int
    counter: str
    counter_hz: int
    unique_id: bytes | None = None


def flag_names(mask: int) -> list[str]:
    return [flag.name.lower() for flag in p.ClockFlag if mask & flag]


def check_attestation(hello: p.HelloReply, expected: Expectation) -> None:
    """Raise AttestationError that lists every difference; return when there is none."""
    differences = list(_differences(hello, expected))
    if differences:
        raise AttestationError(
            "the firmware is not what the plan expects: " + "; ".join(differences),
            hint="nothing was measured; flash the right firmware with `hilbench flash "
            f"--board {expected.board}`, and look at clock and caches if they differ",
        )


def _differences(hello: p.HelloReply, expected: Expectation) -> list[str]:
    found: list[str] = []

    def compare(name: str, says: object, wants: object) -> None:
        if says != wants:
            found.append(f"{name} is {says}, expected {wants}")

    compare("protocol schema", f"0x{hello.schema_hash:08X}", f"0x{p.SCHEMA_HASH:08X}")
    compare("board", hello.board, expected.board)
    if expected.firmware_digest is not None:
        compare("firmware digest", hello.firmware_digest.hex(), expected.firmware_digest.hex())
    compare("core clock", f"{hello.core_clock_hz} Hz", f"{expected.core_clock_hz} Hz")
    missing = flag_names(expected.clock_flags & ~hello.clock_flags)
    extra = flag_names(hello.clock_flags & ~expected.clock_flags)
    found.extend(f"{name} is off" for name in missing)
    found.extend(f"{name} is on" for name in extra)
    compare("flash wait states", hello.wait_states, expected.wait_states)
    kind = p.CounterKind(hello.counter_kind).name.lower() if hello.counter_kind < 4 else "?"
    compare("counter", kind, expected.counter)
    compare("counter rate", f"{hello.counter_hz} Hz", f"{expected.counter_hz} Hz")
    if expected.unique_id is not None:
        compare("unique id", hello.unique_id.hex(), expected.unique_id.hex())
    return found
