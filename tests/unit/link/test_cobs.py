"""COBS: the published examples, round trips, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.link import cobs

# Cheshire and Baker, section 3, and the run-length edge cases.
EXAMPLES = [
    (b"", b"\x01"),
    (b"\x00", b"\x01\x01"),
    (b"\x00\x00", b"\x01\x01\x01"),
    (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255))),
    (bytes(range(1, 255)) + b"\x00", b"\xff" + bytes(range(1, 255)) + b"\x01\x01"),
    (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
]


@pytest.mark.parametrize(("plain", "encoded"), EXAMPLES)
def test_examples(plain: bytes, encoded: bytes) -> None:
    assert cobs.encode(plain) == encoded
    assert cobs.decode(encoded) == plain


@given(st.binary(max_size=1500) | st.lists(st.sampled_from(b"\0\x01"), max_size=1500).map(bytes))
def test_round_trip_without_zeros_and_with_bounded_overhead(plain: bytes) -> None:
    encoded = cobs.encode(plain)
    assert 0 not in encoded
    assert len(encoded) <= len(plain) + len(plain) // 254 + 1
    assert cobs.decode(encoded) == plain


@pytest.mark.parametrize("bad", [b"", b"\x00", b"\x02", b"\x03\x11\x00", b"\x05\x11\x22"])
def test_refuses_what_is_no_encoding(bad: bytes) -> None:
    with pytest.raises(cobs.CobsError):
        cobs.decode(bad)
