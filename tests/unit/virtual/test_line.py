"""Faults of the wire, and the host's end of the serial line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.backends.virtual import faults
from hilbench.backends.virtual.line import HOST_BACKLOG_BYTES, HostPort, Wire, WireFaults

DATA = bytes(range(256)) * 8


@given(st.binary(max_size=200))
def test_a_good_wire_changes_nothing(data: bytes) -> None:
    wire = Wire()
    assert wire.carry(data) == data
    assert wire.altered == 0


def test_a_bad_wire_is_bad_in_the_same_way_each_time() -> None:
    results = set()
    for _ in range(2):
        wire = Wire()
        wire.set_faults(WireFaults(drop=0.02, corrupt=0.02, duplicate=0.02, seed=5))
        results.add((wire.carry(DATA), wire.altered))
    assert len(results) == 1
    carried, altered = results.pop()
    assert carried != DATA
    assert 0.02 * len(DATA) < altered < 0.12 * len(DATA)


def test_positions_count_over_chunks() -> None:
    wire = Wire()
    wire.set_faults(WireFaults(drop_at=[1, 4], duplicate_at=[5]))
    assert wire.carry(b"abc") + wire.carry(b"def") == b"acdff"


def test_mute_counts_from_power_on() -> None:
    wire = Wire()
    wire.set_faults(WireFaults(mute_after=4))
    assert wire.carry(b"abc") + wire.carry(b"def") == b"abcd"


def test_the_host_that_does_not_read_loses_the_oldest_bytes() -> None:
    port = HostPort()
    try:
        sent = 0
        while port.lost_bytes == 0 and sent < 1 << 20:
            port.write(bytes(4096))
            sent += 4096
        assert port.has_backlog
        assert sent > HOST_BACKLOG_BYTES
    finally:
        port.close()


def test_the_baud_rate_of_the_host_is_seen() -> None:
    import serial

    port = HostPort()
    try:
        for baud in (115_200, 921_600, 250_000):
            with serial.Serial(port.name, baud):
                assert port.baud() == baud
    finally:
        port.close()
    assert port.fileno() == -1


def test_fault_names_are_checked() -> None:
    assert faults.check({"flash_busy": True}) == {"flash_busy": True}
    with pytest.raises(ValueError, match="flash_bzy"):
        faults.check({"flash_bzy": True})


def test_addresses_of_flash_faults_become_offsets() -> None:
    found = faults.flash_faults({"stuck_low": {"0x08001234": 16}, "flash_error_at": "0x08000010"})
    assert found.stuck_low == {0x1234: 16}
    assert found.operation_error_at == 0x10
