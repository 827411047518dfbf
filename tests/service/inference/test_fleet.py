"""The governor against a provider in simulated time: it keeps the quota, and each flow its turn."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference.pace import CONSTANTS
from service.inference.ports import Flow, Quota
from tests.service.inference.simulation import (
    Process,
    SimulatedFleet,
    SimulatedProvider,
    now,
    run_for,
    starts_beyond,
)

A, B, C = Flow("p", "a"), Flow("p", "b"), Flow("q", "c")
STEADY = Quota(requests_per_minute=6000, burst_seconds=1)

rates = st.floats(0.5, 400)
bursts = st.sampled_from([0.05, 0.1, 0.3, 1.0, 2.0])
workers = st.lists(st.sets(st.sampled_from([A, B, C]), min_size=1), min_size=1, max_size=4)


@dataclass(frozen=True)
class Death:
    """At a moment one process dies, and another may take its place."""

    at: float
    victim: int
    replaced: bool


deaths = st.lists(
    st.builds(Death, st.floats(0.05, 3), st.integers(0, 5), st.booleans()), max_size=3
)
skews = st.lists(st.tuples(st.floats(0.1, 3), st.floats(-7200, 7200)), max_size=2)
shares = st.lists(st.tuples(st.floats(0.1, 3), st.floats(0.2, 2)), max_size=2)


def fleet_of(
    provider: SimulatedProvider, quota: Quota, *, link_seconds: float = 0.0
) -> SimulatedFleet:
    random = Random(0)  # noqa: S311  a trace that can be repeated
    return SimulatedFleet(quota, provider, link_seconds=lambda: random.uniform(0, link_seconds))


Event = tuple[float, Callable[[], object]]


async def lead(
    fleet: SimulatedFleet, workers: list[set[Flow]], deaths: list[Death], others: list[Event]
) -> None:
    """Let processes work on their flows, some die, and the other events come at their moments."""
    for flows in workers:
        process = fleet.start()
        for flow in sorted(flows, key=lambda flow: flow.job_id):
            process.work(flow)
    events: list[Event] = [(death.at, partial(die, fleet, death)) for death in deaths]
    for at, event in sorted([*events, *others], key=lambda pair: pair[0]):
        await asyncio.sleep(max(0.0, at - now()))
        happening = event()
        if isinstance(happening, Awaitable):
            await happening


async def die(fleet: SimulatedFleet, death: Death) -> None:
    living = fleet.processes
    if not living:
        return
    victim = living.pop(death.victim % len(living))
    await victim.die()
    if death.replaced:
        for flow in victim.began:
            fleet.start().work(flow)


def set_clock(fleet: SimulatedFleet, seconds: float) -> None:
    """Set the clock of the shared state forward, or back."""
    fleet.state.clock_offset += seconds


def change_quota(provider: SimulatedProvider, per_second: float) -> None:
    provider.requests_per_second = per_second


@settings(max_examples=40, deadline=None)
@given(
    rate=rates,
    burst=bursts,
    declared=st.booleans(),
    workers=workers,
    deaths=deaths,
    skews=skews,
    shares=shares,
    link_seconds=st.sampled_from([0.0, 0.002, 0.03]),
)
def test_a_fleet_never_exceeds_the_declared_burst_and_rate(
    *,
    rate: float,
    burst: float,
    declared: bool,
    workers: list[set[Flow]],
    deaths: list[Death],
    skews: list[tuple[float, float]],
    shares: list[tuple[float, float]],
    link_seconds: float,
) -> None:
    quota = Quota(requests_per_minute=rate * 60)
    if declared:
        quota = Quota(requests_per_minute=rate * 60, burst_seconds=burst)
    # Of a burst below 0.2 s nothing is left for answers that take more or less time to come.
    unused = quota.burst_seconds - quota.usable_burst - quota.lapse_seconds
    burst = quota.burst_seconds + max(0.0, link_seconds - unused)
    provider = SimulatedProvider(rate, burst_seconds=burst)
    fleet = fleet_of(provider, quota, link_seconds=link_seconds)
    others: list[Event] = [(at, partial(set_clock, fleet, by)) for at, by in skews]
    others += [(at, partial(change_quota, provider, rate * share)) for at, share in shares]

    run_for(4, fleet, lambda: lead(fleet, workers, deaths, others))
    beyond = starts_beyond(fleet.starts(), rate=rate, burst_seconds=burst)
    # A clock that leaps forward looks like a pause: it gives one burst beside what is leased.
    leaps = sum(seconds > 0 for _, seconds in skews)
    assert beyond <= leaps * (
        rate * (burst + 2 * CONSTANTS.lease_seconds) + 2 * lines_of(workers, deaths)
    )
    if not leaps and all(share >= 1 for _, share in shares):
        assert provider.refused == 0


@settings(max_examples=20, deadline=None)
@given(
    workers=workers,
    changes=st.lists(st.tuples(st.floats(0.5, 8), st.floats(0.2, 1)), max_size=3),
    deaths=deaths,
    skews=skews,
    known=st.booleans(),
)
def test_whatever_the_quota_does_no_waiter_starves_and_refusals_stay_few(
    *,
    workers: list[set[Flow]],
    changes: list[tuple[float, float]],
    deaths: list[Death],
    skews: list[tuple[float, float]],
    known: bool,
) -> None:
    provider = SimulatedProvider(100)
    fleet = fleet_of(provider, STEADY if known else Quota(), link_seconds=0.002)
    others: list[Event] = [(at, partial(set_clock, fleet, by)) for at, by in skews]
    others += [(at, partial(change_quota, provider, 100 * share)) for at, share in changes]

    run_for(12, fleet, lambda: lead(fleet, workers, deaths, others))
    for process in fleet.processes:
        assert longest_silence(process, until=12) < 5
    leaps = sum(seconds > 0 for _, seconds in skews)
    assert provider.refused < (40 if known else 120) * (len(changes) + 1) + 100 * leaps


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(0.2, 20), workers=workers, deaths=deaths)
def test_at_the_slowest_pace_each_waiter_has_its_turn(
    rate: float, workers: list[set[Flow]], deaths: list[Death]
) -> None:
    fleet = fleet_of(SimulatedProvider(rate), Quota(requests_per_minute=60 * rate))
    lines = lines_of(workers, deaths)
    ends = 4 + 10 * lines / rate

    run_for(ends, fleet, lambda: lead(fleet, workers, deaths, []))
    for process in fleet.processes:
        assert longest_silence(process, until=ends) < 3 + 5 * lines / rate


def lines_of(workers: list[set[Flow]], deaths: list[Death]) -> int:
    """Return how many lines of calls there are at most: one for each flow of each process."""
    return sum(map(len, workers)) + sum(3 * death.replaced for death in deaths)


def longest_silence(process: Process, *, until: float) -> float:
    """Return the longest time that a flow of a process has waited for a start, its first too."""
    gaps = [0.0]
    for flow, began in process.began.items():
        times = [began, *(at for at, whose in process.starts if whose == flow), until]
        gaps += [later - sooner for sooner, later in pairwise(times)]
    return max(gaps)


def test_a_steady_quota_is_filled_and_nothing_is_refused() -> None:
    provider = SimulatedProvider(100)
    fleet = fleet_of(provider, STEADY, link_seconds=0.001)

    def begin() -> None:
        for _ in range(4):
            fleet.start().work(A)

    run_for(20, fleet, begin)
    assert provider.refused == 0
    assert sum(provider.accepted.values()) > 0.97 * 100 * 20


@pytest.mark.parametrize(("true_rate", "declared", "at_least"), [(50, 6000, 0.94), (100, 0, 0.85)])
def test_a_wrong_and_an_unknown_quota_are_found(
    true_rate: float, declared: float, at_least: float
) -> None:
    provider = SimulatedProvider(true_rate)
    fleet = fleet_of(provider, Quota(requests_per_minute=declared, burst_seconds=1))
    run_for(20, fleet, lambda: fleet.start(window=256).work(A))
    assert sum(provider.accepted.values()) > at_least * true_rate * 20
    assert provider.refused < 60


def test_what_a_slow_start_found_is_remembered_and_idleness_adds_nothing() -> None:
    provider = SimulatedProvider(100)
    fleet = fleet_of(provider, Quota())
    run_for(10, fleet, lambda: fleet.start(window=256).work(A))
    found = fleet.state.pace.rate
    assert 60 < found < 180
    fleet.processes.clear()
    fleet.provider = SimulatedProvider(100)
    fleet.state.clock_offset += 3600
    run_for(1, fleet, lambda: fleet.start().work(A, calls=1))
    assert fleet.state.pace.rate == pytest.approx(found, rel=0.05)


def accepted(provider: SimulatedProvider) -> list[int]:
    return [provider.accepted[flow] for flow in sorted(provider.accepted, key=lambda f: f.job_id)]


@pytest.mark.parametrize("per_second", [100, 5])
def test_a_job_with_one_worker_gets_as_much_as_one_with_four(per_second: float) -> None:
    provider = SimulatedProvider(per_second)
    fleet = fleet_of(provider, Quota(requests_per_minute=60 * per_second, burst_seconds=1))

    def begin() -> None:
        for flow in (A, A, A, A, B):
            fleet.start().work(flow)

    run_for(2000 / per_second, fleet, begin)
    many, one = accepted(provider)
    assert one == pytest.approx(many, rel=0.06)


def test_projects_share_first_then_their_jobs_by_weight() -> None:
    provider = SimulatedProvider(100)
    fleet = fleet_of(provider, STEADY)
    heavy = Flow("p", "b", 3)

    def begin() -> None:
        for flow in (A, heavy, C, A):
            fleet.start().work(flow)

    run_for(20, fleet, begin)
    light, heavy_calls, other_project = accepted(provider)
    assert other_project == pytest.approx(light + heavy_calls, rel=0.06)
    assert heavy_calls == pytest.approx(3 * light, rel=0.1)


def test_a_small_job_ends_at_its_fair_time_and_leaves_nothing_unused() -> None:
    provider = SimulatedProvider(100)
    fleet = fleet_of(provider, STEADY)
    ended: list[float] = []

    async def begin() -> None:
        for _ in range(3):
            fleet.start().work(A)
        await asyncio.sleep(5)
        small = fleet.start()
        small.work(B, calls=200)
        await small.finish()
        ended.append(now() - 5)
        fleet.processes.remove(small)

    run_for(20, fleet, begin)
    assert ended[0] < 1.15 * (200 / 50)
    assert sum(provider.accepted.values()) > 0.97 * 100 * 20


def test_the_token_quota_is_filled_and_kept_by_prompts_of_all_sizes() -> None:
    provider = SimulatedProvider(1000, tokens_per_second=20_000)
    quota = Quota(requests_per_minute=60_000, tokens_per_minute=1_200_000, burst_seconds=1)
    fleet = fleet_of(provider, quota, link_seconds=0.001)
    random = Random(1)  # noqa: S311  the same sizes each time

    async def begin() -> None:
        for _ in range(2):
            process = fleet.start(window=1)
            for _ in range(32):
                process.work(A, tokens=random.randint(50, 5000), output=20)

    run_for(40, fleet, begin)
    assert provider.refused == 0
    assert provider.accepted_tokens > 0.95 * 20_000 * 40


def test_fairness_counts_tokens_where_tokens_are_scarce() -> None:
    provider = SimulatedProvider(1000, tokens_per_second=20_000)
    quota = Quota(requests_per_minute=60_000, tokens_per_minute=1_200_000, burst_seconds=1)
    fleet = fleet_of(provider, quota)

    def begin() -> None:
        fleet.start().work(A, tokens=5000)
        fleet.start().work(A, tokens=5000)
        fleet.start(window=512).work(C, tokens=50)

    run_for(40, fleet, begin)
    assert 50 * provider.accepted[C] == pytest.approx(5000 * provider.accepted[A], rel=0.2)


def test_the_cap_holds_over_the_fleet_and_a_dead_process_does_not_hold_it_for_long() -> None:
    provider = SimulatedProvider(1000, latency_seconds=1)
    quota = Quota(requests_per_minute=60_000, burst_seconds=1, in_flight=50)
    fleet = fleet_of(provider, quota)
    before: Counter[Flow] = Counter()

    async def begin() -> None:
        fleet.start().work(A)
        fleet.start().work(B)
        await asyncio.sleep(10)
        await die(fleet, Death(now(), 0, replaced=False))
        before.update(provider.accepted)

    run_for(30, fleet, begin)
    assert provider.peak_in_flight <= 50
    assert before[A] > 100
    assert before[B] > 100
    # 5 s until the dead one's calls are forgotten, then 50 of a second's length at a time.
    assert provider.accepted[B] - before[B] > 600
