"""The law of the pace, on a clock of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.pacing import Pace


def starts(pace: Pace, *, begin: float, seconds: float) -> list[float]:
    """Start calls one after another as the pace lets them, and return when."""
    now = begin
    found: list[float] = []
    while True:
        now = max(now, pace.take(now))
        if now > begin + seconds:
            return found
        found.append(now)


def test_starts_are_spaced_at_the_ceiling() -> None:
    assert len(starts(Pace(10, 0), begin=0, seconds=60)) == pytest.approx(600, abs=1)


@given(
    st.floats(0.5, 200),
    st.floats(0, 2),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_second_holds_more_than_rate_and_burst(
    ceiling: float, burst: float, pauses: list[float]
) -> None:
    pace, now, found = Pace(ceiling, burst), 0.0, []
    for pause in pauses:
        now += pause
        for _ in range(5):
            now = max(now, pace.take(now))
            found.append(now)
    for first in range(len(found)):
        inside = sum(found[first] <= start <= found[first] + 1 for start in found)
        assert inside <= ceiling * (1 + burst) + 2


def test_many_refusals_of_one_moment_cut_once() -> None:
    pace = Pace(100, 0.1)
    for at in (0.0, 0.1, 0.3, 0.49):
        pace.cut(at)
    assert pace.rate == pytest.approx(70)
    pace.cut(0.6)
    assert pace.rate == pytest.approx(49)


def test_the_rate_comes_back_and_never_passes_the_ceiling() -> None:
    pace = Pace(100, 0.1)
    pace.cut(0)
    assert len(starts(pace, begin=0, seconds=1)) <= 75
    starts(pace, begin=1, seconds=30)
    assert pace.rate == 100


def test_the_rate_creeps_near_the_rate_that_failed() -> None:
    pace = Pace(100, 0.1)
    pace.cut(0)
    starts(pace, begin=0, seconds=4)
    before = pace.rate
    starts(pace, begin=4, seconds=1)
    assert 90 < before < pace.rate < before * 1.05


def test_a_quota_that_is_gone_leaves_a_trickle() -> None:
    pace = Pace(10, 0.1)
    for at in range(200):
        pace.cut(at * 0.6)
    assert pace.rate == pytest.approx(0.1)
