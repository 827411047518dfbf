"""`pace.lua` and `pace.py` implement the same algorithm."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.inference import redis_governor
from service.inference.pace import Pace
from service.inference.ports import Flow, Lease, Quota, UsageReport
from tests.support.redis import RedisServer

FLOWS = (Flow("p", "a"), Flow("p", "b", 2.5), Flow("q", "c"))
GOVERNORS = ("one", "two", "three")
BEGIN = 1_700_000_000.0

quotas = st.builds(
    Quota,
    requests_per_minute=st.sampled_from([0, 30, 600, 60_000]),
    tokens_per_minute=st.sampled_from([0, 60_000]),
    burst_seconds=st.sampled_from([0.0, 0.1, 0.3, 2.0]),
    in_flight=st.sampled_from([0, 5]),
)
usage = st.builds(
    UsageReport,
    governor=st.sampled_from(GOVERNORS),
    in_flight=st.integers(0, 4),
    waiting=st.integers(0, 9),
    settle=st.integers(-500, 2000),
    known_rate=st.sampled_from([0.0, 7.0]),
)
tokens = st.lists(st.integers(0, 800), min_size=1, max_size=12)
# Odd numbers: a moment that is exactly a limit falls to either side by the last digit.
step = st.sampled_from([-1.5371, 0.0, 0.0041, 0.0513, 0.4127, 0.6219, 1.5713, 30.1137])


@dataclass
class Script:
    """The Lua script on a simulated clock."""

    client: Any
    quota: Quota
    key: str
    source: str = field(init=False)

    def __post_init__(self) -> None:
        clock = "local clock = redis.call('TIME')"
        text = redis_governor._LUA.read_text()
        assert clock in text
        self.source = text.replace(clock, "local clock = {table.remove(ARGV), 0}")

    def run(self, operation: str, usage: UsageReport, now: float, *more: object) -> list[float]:
        quota = self.quota
        keys = [
            self.key,
            f"{self.key}:flows",
            f"{self.key}:governors",
            "quotas",
            f"{self.key}:control",
        ]
        limits = (
            quota.requests_per_minute / 60,
            quota.tokens_per_minute / 60,
            quota.usable_burst,
            quota.in_flight,
        )
        counts = (usage.governor, usage.in_flight, usage.waiting, usage.settle, usage.known_rate)
        arguments = [operation, *limits, *counts, redis_governor._CONSTANTS, *more, repr(now)]
        return [float(text) for text in self.client.eval(self.source, len(keys), *keys, *arguments)]


@dataclass
class Both:
    """One algorithm in two languages: both must return the same."""

    script: Script
    pace: Pace
    now: float = BEGIN

    def lease(self, usage: UsageReport, flow: Flow, credit: float, tokens: list[int]) -> None:
        member = f"{flow.project_id} {flow.job_id} {flow.weight:g}"
        parked, again, rate, _, left, *waits = self.script.run(
            "lease", usage, self.now, member, credit, *tokens
        )
        lease = self.pace.lease(usage, self.now, flow=flow, credit=credit, tokens=tokens)
        assert _numbers(lease) == pytest.approx(
            [parked, again, rate, left, *waits], rel=1e-4, abs=1e-3
        )

    def cut(self, usage: UsageReport, hold: float) -> None:
        _, was_cut, rate, _ = self.script.run("cut", usage, self.now, hold)
        assert self.pace.cut(usage, self.now, hold_seconds=hold) is bool(was_cut)
        assert self.pace.rate == pytest.approx(rate, rel=1e-4)

    def park(self, usage: UsageReport, seconds: float) -> None:
        self.script.run("park", usage, self.now, seconds)
        self.pace.park(usage, self.now, seconds=seconds)

    def notify(self, usage: UsageReport, operation: str) -> None:
        self.script.run(operation, usage, self.now)
        method: Callable[[UsageReport, float], None] = getattr(self.pace, operation)
        method(usage, self.now)


def _numbers(lease: Lease) -> list[float]:
    credit = 0.0 if lease.parked else lease.credit
    return [lease.parked, lease.retry_seconds, lease.rate, credit, *lease.waits]


operation = st.one_of(
    st.tuples(
        st.just("lease"), usage, st.sampled_from(FLOWS), st.sampled_from([0.0, 0.02]), tokens
    ),
    st.tuples(st.just("cut"), usage, st.sampled_from([0.0, 20.0])),
    st.tuples(st.just("park"), usage, st.just(0.5)),
    st.tuples(st.just("notify"), usage, st.sampled_from(["report", "resume"])),
)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,  # the script keeps six digits: a far-fetched trace may differ by rounding
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(quota=quotas, trace=st.lists(st.tuples(step, operation), max_size=25))
def test_the_script_and_its_twin_say_the_same(
    redis: RedisServer, quota: Quota, trace: list[tuple[float, tuple[Any, ...]]]
) -> None:
    with redis.client() as client:
        client.flushall()
        both = Both(Script(client, quota, "quota:p/l/m"), Pace(quota))
        for seconds, (name, *arguments) in trace:
            both.now += seconds
            getattr(both, name)(*arguments)
