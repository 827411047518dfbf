"""The pacing algorithm, on a simulated clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.pace import Pace
from service.inference.ports import Flow, Quota, UsageReport

FLOW = Flow("p", "a")
ME = UsageReport("me")


def pace_of(per_second: float, burst_seconds: float = 0.1) -> Pace:
    return Pace(Quota(requests_per_minute=per_second * 60, burst_seconds=burst_seconds))


def take(pace: Pace, now: float) -> float:
    """Return when the next call may start."""
    return now + pace.lease(ME, now, flow=FLOW, credit=0.0, tokens=[0]).waits[0]


def starts(pace: Pace, *, begin: float, seconds: float) -> list[float]:
    """Start calls one after another as the pace lets them, and return when."""
    now = begin
    found: list[float] = []
    while True:
        now = take(pace, now)
        if now > begin + seconds:
            return found
        found.append(now)


def test_starts_are_spaced_at_the_ceiling() -> None:
    assert len(starts(pace_of(10), begin=0, seconds=60)) == pytest.approx(600, abs=2)


@given(
    st.floats(0.5, 200),
    st.floats(0, 2),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_second_holds_more_than_rate_and_burst(
    rate: float, burst: float, pauses: list[float]
) -> None:
    pace, now, found = pace_of(rate, burst), 0.0, []
    for pause in pauses:
        now += pause
        for _ in range(5):
            now = take(pace, now)
            found.append(now)
    for first in range(len(found)):
        inside = sum(found[first] <= start <= found[first] + 1 for start in found)
        assert inside <= rate * (1 + pace.quota.usable_burst) + 2


@given(st.floats(0, 5))
def test_burst_and_late_starts_together_stay_within_what_was_declared(burst: float) -> None:
    quota = Quota(burst_seconds=burst)
    # Below ten milliseconds no timer is exact enough to keep to the burst.
    assert quota.usable_burst + quota.lapse_seconds <= max(burst, burst / 2 + 0.005) * 1.0001


def test_many_refusals_of_one_moment_cut_once() -> None:
    pace = pace_of(100)
    assert [pace.cut(ME, at) for at in (0.0, 0.1, 0.3, 0.49)] == [True, False, False, False]
    assert pace.rate == pytest.approx(70)
    assert pace.cut(ME, 0.6)
    assert pace.rate == pytest.approx(49)


def test_the_rate_comes_back_and_never_passes_the_ceiling() -> None:
    pace = pace_of(100)
    pace.cut(ME, 0)
    assert len(starts(pace, begin=0, seconds=1)) <= 75
    starts(pace, begin=1, seconds=30)
    assert pace.rate == 100


def test_the_rate_creeps_near_the_rate_that_failed() -> None:
    pace = pace_of(100)
    pace.cut(ME, 0)
    starts(pace, begin=0, seconds=4)
    before = pace.rate
    starts(pace, begin=4, seconds=1)
    assert 90 < before < pace.rate < before * 1.05


def test_a_quota_that_is_gone_leaves_a_trickle() -> None:
    pace = pace_of(10)
    for at in range(200):
        pace.cut(ME, at * 0.6)
    assert pace.rate == pytest.approx(0.1)


def test_an_unknown_quota_is_tried_out_e_fold_a_second_until_the_first_refusal() -> None:
    pace = pace_of(0)
    assert len(starts(pace, begin=0, seconds=3)) == pytest.approx(5 * (2.718**3 - 1), rel=0.15)
    reached = pace.rate
    pace.cut(ME, 3)
    assert pace.rate == pytest.approx(reached / 2)
    starts(pace, begin=3, seconds=3)
    assert pace.rate < reached


def test_a_provider_that_says_when_is_not_called_before() -> None:
    pace = pace_of(100)
    pace.cut(ME, 0, hold_seconds=20)
    assert take(pace, 0.1) == pytest.approx(20, abs=0.1)


def test_a_parked_quota_grants_nothing_until_its_time() -> None:
    pace = pace_of(100)
    pace.park(ME, 0, seconds=300)
    lease = pace.lease(ME, 100, flow=FLOW, credit=0.0, tokens=[0])
    assert (lease.parked, list(lease.waits)) == (200, [])
    assert take(pace, 301) == 301


def test_a_clock_that_was_set_back_takes_the_line_along() -> None:
    pace = pace_of(10)
    starts(pace, begin=10_000, seconds=1)
    assert take(pace, 3_000) - 3_000 < 0.3


def test_tokens_that_were_not_used_are_given_back_with_the_next_question() -> None:
    quota = Quota(requests_per_minute=60_000, tokens_per_minute=60_000, burst_seconds=1)
    pace = Pace(quota)
    pace.lease(ME, 0, flow=FLOW, credit=0.0, tokens=[2000])
    back = UsageReport("me", settle=-1500)
    assert pace.lease(back, 0, flow=FLOW, credit=0.0, tokens=[400]).waits[0] < 0.01
    more = UsageReport("me", settle=2000)
    assert pace.lease(more, 0, flow=FLOW, credit=0.0, tokens=[400]).waits[0] > 2


def test_a_memory_that_was_wiped_begins_at_the_rate_its_asker_knows() -> None:
    pace = pace_of(100)
    pace.lease(UsageReport("me", known_rate=40), 0, flow=FLOW, credit=0.0, tokens=[0])
    assert pace.rate == 40
