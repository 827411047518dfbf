"""Both governors pace alike; the one of a fleet survives the loss of its Redis.

That calls start no later than the rate allows is shown in simulated time (test_fleet, test_pace).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from service.inference import governor as governor_module
from service.inference.governor import LocalGovernor, end_task, quota_key
from service.inference.operations import loop_thread
from service.inference.ports import Flow, Governor, Quota
from service.inference.redis_governor import RedisGovernor
from service.inference.retry import QuotaExhausted
from tests.service.inference.conftest import Closing
from tests.support.eventually import eventually
from tests.support.logs import captured_logs
from tests.support.redis import RedisServer

KEY = quota_key("p", location="us", base_model="gemini-3.1-flash-lite")

FLOW = Flow("prj", "job")

MakeGovernor = Callable[[float], Governor]


def shared(redis: RedisServer, *, per_second: float = 50) -> RedisGovernor:
    return RedisGovernor(redis.url, key=KEY, quota=quota_of(per_second))


def quota_of(per_second: float) -> Quota:
    return Quota(requests_per_minute=per_second * 60)


@pytest.fixture(params=["local", "redis"])
def make_governor(request: pytest.FixtureRequest, closing: Closing) -> MakeGovernor:
    def make(per_second: float) -> Governor:
        governor: Governor
        if request.param == "local":
            governor = LocalGovernor(quota_of(per_second))
        else:
            server: RedisServer = request.getfixturevalue("redis")
            governor = shared(server, per_second=per_second)
        closing(governor)
        return governor

    return make


async def _acquire(count: int, *governors: Governor) -> None:
    async def take(governor: Governor) -> None:
        for _ in range(count):
            await governor.acquire(FLOW, tokens=lambda: 1)
            governor.release(FLOW, estimated=1, used=1)

    await asyncio.gather(*(take(governor) for governor in governors))


def seconds_for(count: int, *governors: Governor) -> float:
    """Return how long each of the governors takes to let `count` calls start."""
    begun = time.monotonic()
    loop_thread().run(_acquire(count, *governors))
    return time.monotonic() - begun


def test_starts_keep_the_rate(make_governor: MakeGovernor) -> None:
    assert seconds_for(100, make_governor(50)) > 1.6


def test_a_pause_is_worth_no_more_than_the_burst(make_governor: MakeGovernor) -> None:
    governor = make_governor(50)
    seconds_for(3, governor)
    idle_until = time.monotonic() + 0.5
    eventually(lambda: time.monotonic() > idle_until)
    assert seconds_for(50, governor) > 0.7


def test_refusals_slow_the_starts_down(make_governor: MakeGovernor) -> None:
    governor = make_governor(50)
    seconds_for(1, governor)
    for _ in range(20):
        loop_thread().run(governor.refused())
    assert seconds_for(35, governor) > 0.8  # at the full rate 0.6, at 0.7 of it 0.9


def test_a_fleet_shares_one_rate(redis: RedisServer, closing: Closing) -> None:
    governors = [shared(redis) for _ in range(3)]
    for governor in governors:
        closing(governor)
    assert seconds_for(33, *governors) > 1.6


def test_a_refusal_of_one_slows_all(redis: RedisServer, closing: Closing) -> None:
    first, second = shared(redis), shared(redis)
    closing(first)
    closing(second)
    seconds_for(1, first)
    loop_thread().run(first.refused())
    assert seconds_for(35, second) > 0.8


def test_a_governor_survives_a_wiped_redis(redis: RedisServer, closing: Closing) -> None:
    governor = shared(redis)
    closing(governor)
    with captured_logs() as logs:
        seconds_for(5, governor)
        redis.wipe()
        with redis.client() as client:
            client.script_flush()
        seconds_for(20, governor)
    assert events(logs) == []


def test_without_redis_each_process_keeps_its_share(redis: RedisServer, closing: Closing) -> None:
    governors = [shared(redis, per_second=40) for _ in range(2)]
    for governor in governors:
        closing(governor)
    seconds_for(6, *governors)
    redis.kill()
    assert seconds_for(20, *governors) > 0.7  # together 40 in a second; each alone would need half


def test_a_used_up_day_is_known_to_all_and_costs_no_call(
    redis: RedisServer, closing: Closing
) -> None:
    first, second = shared(redis), shared(redis)
    closing(first)
    closing(second)
    seconds_for(1, first, second)
    loop_thread().run(first.park(1800))
    for governor in (first, second):
        with pytest.raises(QuotaExhausted) as caught:
            seconds_for(1, governor)
        assert caught.value.resume_seconds == pytest.approx(1800, abs=5)


def test_whoever_waits_when_the_day_is_used_up_waits_no_longer(
    make_governor: MakeGovernor,
) -> None:
    governor = make_governor(1)

    async def wait_and_park() -> None:
        waiting = asyncio.create_task(_acquire(5, governor))
        await asyncio.sleep(0.1)
        await governor.park(600)
        await waiting

    with pytest.raises(QuotaExhausted):
        loop_thread().run(wait_and_park())


def test_losing_redis_is_logged_once_and_it_is_taken_up_again(
    redis: RedisServer, closing: Closing
) -> None:
    governor = shared(redis)
    closing(governor)
    with captured_logs() as logs:
        seconds_for(5, governor)
        redis.kill()
        seconds_for(20, governor)
        loop_thread().run(governor.refused())
        redis.start()
        eventually(lambda: "governor_restored" in events(logs))
        seconds_for(5, governor)
    assert events(logs) == ["governor_degraded", "governor_restored"]
    assert logs[0]["log_level"] == "warning"
    with redis.client() as client:
        assert client.exists(KEY)


def test_a_redis_that_never_was_there_does_not_stop_calls(closing: Closing) -> None:
    governor = RedisGovernor("redis://127.0.0.1:9/0", key=KEY, quota=quota_of(50))
    closing(governor)
    with captured_logs() as logs:
        seconds_for(20, governor)
    assert events(logs) == ["governor_degraded"]


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def test_a_task_that_loses_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(governor_module, "CANCEL_AGAIN_SECONDS", 0.01)
    lost: list[str] = []

    async def work() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append("as asyncio.wait_for does at times")

    async def run() -> bool:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await end_task(task)
        return task.cancelled()

    assert loop_thread().run(run())
    assert len(lost) == 1
