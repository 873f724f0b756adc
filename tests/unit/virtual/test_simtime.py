"""Simulated time: instructions when busy, the host's clock when idle."""

from __future__ import annotations

import pytest

from hilbench.backends.virtual.simtime import MAX_AHEAD_S, MAX_BEHIND_S, SimTime


class Host:
    """A clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def work(time: SimTime, host: Host, instructions: int, host_s: float, clock_hz: float) -> None:
    """A busy slice."""
    done = [0]
    time.begin_slice(lambda: done[0], clock_hz)
    done[0] = instructions
    host.now_s += host_s
    time.end_slice()


def test_busy_time_is_instructions_by_clock() -> None:
    host = Host()
    time = SimTime(1.0, host)
    work(time, host, 1_000_000, 0.5, 1e6)
    assert time.now_s == pytest.approx(1.0)


def test_time_passes_inside_a_slice() -> None:
    time = SimTime(1.0, Host())
    done = [0]
    time.begin_slice(lambda: done[0], 1e6)
    done[0] = 250_000
    assert time.now_s == pytest.approx(0.25)


def test_a_short_lag_is_made_up_for() -> None:
    host = Host()
    time = SimTime(1.0, host)
    work(time, host, 1000, 0.05, 1e6)
    time.going_idle(line_active=False)
    assert time.target_s() == pytest.approx(0.05)


@pytest.mark.parametrize("active", [False, True])
def test_a_long_lag_is_forgotten(active: bool) -> None:
    host = Host()
    time = SimTime(1.0, host)
    work(time, host, 1_000_000, 10.0, 1e6)
    time.going_idle(active)
    lag_s = time.target_s() - time.now_s
    assert MAX_BEHIND_S * 0.99 <= lag_s < 1.0


def test_a_core_that_is_too_fast_does_not_wait_for_the_host() -> None:
    host = Host()
    time = SimTime(1.0, host)
    work(time, host, 10_000_000, 0.1, 1e6)
    time.going_idle(line_active=False)
    assert time.target_s() == pytest.approx(time.now_s - MAX_AHEAD_S)
    assert time.host_wait_s(time.now_s + 0.01) == pytest.approx(0.01 + MAX_AHEAD_S)


def test_a_slow_crystal_scales_idle_time() -> None:
    host = Host()
    time = SimTime(0.9, host)
    host.now_s += 10.0
    assert time.target_s() == pytest.approx(9.0)
    assert time.host_wait_s(18.0) == pytest.approx(10.0)
