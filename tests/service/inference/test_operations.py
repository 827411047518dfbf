"""Many calls: none lost, none sent twice, stored in batches."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from service.inference.generation_run import Summary
from service.inference.governor import LocalGovernor
from service.inference.ports import CallLimits, GenerationRequest, Outcome, Quota
from service.inference.redis_governor import RedisGovernor, read_states
from tests.service.inference.conftest import Closing
from tests.service.inference.provider import DROP, GARBAGE, HANG, Provider
from tests.service.inference.result_store import Shelf, expected, requests
from tests.support.logs import captured_logs
from tests.support.redis import RedisServer


def test_every_request_is_answered_once_and_counted(provider: Provider, shelf: Shelf) -> None:
    summary = shelf.run(requests(300))
    assert set(shelf.keys) == expected(300)
    assert len(shelf.keys) == 300
    assert summary == Summary(
        requests=300, answered=300, retried=0, refused_429=0, prompt_tokens=900, output_tokens=600
    )
    texts = {result.key: result.generation.text for result in shelf.answered}
    assert texts["row-7"] == "PROMPT-7"
    assert {result.attempts for result in shelf.answered} == {1}
    assert max(provider.accepted.values()) == 1


def test_no_requests_is_an_empty_summary(shelf: Shelf) -> None:
    assert shelf.run(iter(())).requests == 0
    assert shelf.batches == []


def test_results_are_stored_in_batches_while_the_run_continues(shelf: Shelf) -> None:
    shelf.run(
        requests(300), governor=LocalGovernor(Quota(requests_per_minute=12_000, burst_seconds=0))
    )
    assert 5 < len(shelf.batches) < 290
    assert max(map(len, shelf.batches)) <= 200


def test_requests_are_read_only_as_the_window_allows(provider: Provider, shelf: Shelf) -> None:
    read: list[int] = []
    ahead: list[int] = []

    def counted() -> Iterator[GenerationRequest]:
        for number, request in enumerate(requests(200)):
            read.append(number)
            ahead.append(len(read) - len(shelf.keys))
            yield request

    shelf.run(counted(), limits=CallLimits(in_flight=16, attempts=4, timeout_seconds=120))
    assert len(shelf.keys) == 200
    assert max(ahead) <= 16 + 1


def test_a_pace_below_the_quota_is_hardly_refused(provider: Provider, shelf: Shelf) -> None:
    provider.requests_per_minute, provider.burst_seconds = 6000, 1
    begun = time.monotonic()
    summary = shelf.run(
        requests(200), governor=LocalGovernor(Quota(requests_per_minute=6000, burst_seconds=0.1))
    )
    assert summary.answered == 200
    assert summary.refused_429 <= 10
    assert time.monotonic() - begun > 1.5


def test_a_pace_above_the_quota_finds_it_and_loses_nothing(
    provider: Provider, shelf: Shelf
) -> None:
    provider.requests_per_minute = 3000
    summary = shelf.run(
        requests(200), governor=LocalGovernor(Quota(requests_per_minute=6000, burst_seconds=0.1))
    )
    assert set(shelf.keys) == expected(200)
    assert summary.answered == 200
    assert 0 < summary.refused_429 == provider.refused < 100
    assert {result.attempts for result in shelf.answered} == {1}


def test_hiccups_lose_no_row(provider: Provider, shelf: Shelf) -> None:
    provider.faults.extend([503, DROP, 500, 503, DROP, 504] * 2)
    summary = shelf.run(requests(100))
    assert {result.generation.outcome for result in shelf.answered} == {Outcome.OK}
    assert set(shelf.keys) == expected(100)
    assert summary.retried == 12


def test_a_hanging_call_is_given_up_and_sent_again(provider: Provider, shelf: Shelf) -> None:
    provider.faults.append(HANG)
    shelf.run(requests(5), limits=CallLimits(in_flight=8, attempts=3, timeout_seconds=0.3))
    assert set(shelf.keys) == expected(5)
    assert sorted(result.attempts for result in shelf.answered) == [1, 1, 1, 1, 2]


def test_a_row_that_never_succeeds_fails_after_its_attempts(
    provider: Provider, shelf: Shelf
) -> None:
    provider.always["prompt-1"] = 503
    limits = CallLimits(in_flight=8, attempts=2, timeout_seconds=120)
    summary = shelf.run(requests(4), limits=limits)
    failed = {result.key: result for result in shelf.answered}["row-1"]
    assert (failed.generation.outcome, failed.attempts) == (Outcome.FAILED, 2)
    assert "503" in failed.generation.error
    assert "prompt" not in failed.generation.error
    assert (summary.requests, summary.answered) == (4, 3)


def test_a_bad_row_fails_alone(provider: Provider, shelf: Shelf) -> None:
    provider.always["prompt-1"] = 400
    provider.always["prompt-2"] = GARBAGE
    shelf.run(requests(5))
    outcomes = {result.key: result.generation.outcome for result in shelf.answered}
    assert outcomes["row-1"] is Outcome.FAILED
    assert outcomes["row-2"] is Outcome.UNPARSABLE
    assert sorted(outcomes.values()).count(Outcome.OK) == 3


def test_a_second_run_uses_the_same_thread_and_connections(
    provider: Provider, shelf: Shelf
) -> None:
    threads: set[int] = set()
    limits = CallLimits(in_flight=4, attempts=2, timeout_seconds=120)
    for start in (0, 20):
        shelf.run(requests(20, start=start), limits=limits)
        threads |= {
            thread.ident or 0 for thread in threading.enumerate() if thread.name == "inference-loop"
        }
    assert len(threads) == 1
    assert len(provider.connections) <= 4
    assert set(shelf.keys) == expected(40)


def test_two_runs_may_share_the_loop(provider: Provider, shelf: Shelf) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(shelf.run, requests(50, start=start)) for start in (0, 50)]
        assert sum(run.result().answered for run in runs) == 100
    assert set(shelf.keys) == expected(100)


def test_a_forked_child_starts_a_loop_of_its_own(provider: Provider, shelf: Shelf) -> None:
    shelf.run(requests(5))
    child = os.fork()
    if child == 0:
        # only the exit status leaves the child: pytest's own clean-up must not run twice
        done = False
        try:
            done = shelf.run(requests(5, start=5)).answered == 5
        finally:
            os._exit(0 if done else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    shelf.run(requests(5, start=10))
    assert len(shelf.keys) == 10
    assert sum(provider.accepted.values()) == 15


def test_a_run_outlives_its_redis_and_goes_back_to_the_shared_pace(
    provider: Provider, shelf: Shelf, redis: RedisServer, closing: Closing
) -> None:
    quota = Quota(requests_per_minute=6000, burst_seconds=0.5)
    governors = [RedisGovernor(redis.url, key="quota:p/l/m", quota=quota) for _ in range(2)]
    for governor in governors:
        closing(governor)
    other = Shelf(shelf.generator)
    back_at: list[float] = []
    processes: set[int] = set()

    def kill_and_start(checks: int) -> None:
        if checks == 3:
            redis.kill()
        elif checks == 6:
            redis.start()
            back_at.append(time.time())
        elif checks > 6:
            processes.update(state.processes for state in read_states(redis.url))

    shelf.on_check = kill_and_start
    provider.requests_per_minute = 6000
    with ThreadPoolExecutor(2) as pool, captured_logs() as logs:
        first = pool.submit(shelf.run, requests(250), governor=governors[0])
        second = pool.submit(other.run, requests(250, start=250), governor=governors[1])
        assert first.result().answered == second.result().answered == 250
    assert {*shelf.keys, *other.keys} == expected(500)
    assert provider.refused <= 25
    counts = Counter(entry["event"] for entry in logs)
    assert counts == {"governor_degraded": 2, "governor_restored": 2}
    (state,) = read_states(redis.url)
    assert state.seen_at > back_at[0] + 0.5
    assert 2 in processes  # a process whose run has ended is counted no longer
