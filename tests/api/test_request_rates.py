"""Requests are counted over all API processes, and by each alone while Redis is away."""

from itertools import repeat

import pytest

from api.rate_limits import RequestRates
from service.errors import Unavailable
from service.inference.operations import loop_thread
from service.shared_counts import SharedCounts
from tests.support.redis import start_redis

NOW, KEY, PROJECT = 100.0, "key_1", "proj_1"


def test_what_one_process_lets_in_the_others_take_off() -> None:
    async def share(url: str) -> tuple[int, int]:
        first, second = RequestRates(10), RequestRates(10)
        counts = [SharedCounts(url, prefix="test.") for _ in range(2)]
        for rates in (first, second):
            rates.take_of_client(KEY, now=NOW)
            rates.take_of_project(PROJECT, 600, now=NOW)
        for rates, each in zip((first, second), counts, strict=True):
            await rates.exchange(each)
        taken = sum(not first.take_of_client(KEY, now=NOW) for _ in repeat(None, 100))
        of_project = sum(
            not first.take_of_project(PROJECT, 600, now=NOW) for _ in repeat(None, 100)
        )
        for rates, each in zip((first, second), counts, strict=True):
            await rates.exchange(each)
            await each.close()
        assert second.take_of_client(KEY, now=NOW) > 0
        assert second.take_of_project(PROJECT, 600, now=NOW) > 0
        assert second.take_of_client("key_2", now=NOW) == 0
        assert second.take_of_client(KEY, now=NOW + 3) == 0
        return taken, of_project

    with start_redis() as redis:
        assert loop_thread().run(share(redis.url)) == (19, 9)


def test_without_redis_each_process_counts_for_itself() -> None:
    async def count() -> None:
        rates, counts = RequestRates(1), SharedCounts("redis://127.0.0.1:1", prefix="test.")
        rates.take_of_client(KEY, now=NOW)
        with pytest.raises(Unavailable):
            await rates.exchange(counts)
        assert rates.take_of_client(KEY, now=NOW) == 0
        assert rates.take_of_client(KEY, now=NOW) > 0
        await counts.close()

    loop_thread().run(count())
