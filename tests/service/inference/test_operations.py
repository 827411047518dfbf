"""Many calls: none lost, none sent twice, stored in batches, and ended when told to."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from service.errors import Forbidden, NotFound
from service.inference.event_loop import loop_thread
from service.inference.generators.vertex import VertexGenerator
from service.inference.governor import LocalGovernor, RedisGovernor
from service.inference.operations import Answered, CallLimits, Summary, generate_all
from service.inference.ports import GenerationRequest, Governor, Outcome, Turn
from service.inference.retry import QuotaExhausted
from tests.service.inference.conftest import Closing
from tests.service.inference.provider import DAY_USED_UP, DROP, GARBAGE, HANG, Provider
from tests.support.eventually import eventually
from tests.support.redis import RedisServer

LIMITS = CallLimits(in_flight=64, attempts=4, timeout_seconds=10)


class Stopped(Exception):  # noqa: N818  a signal, not an error
    """What a check raises to end a run."""


def fast() -> Governor:
    return LocalGovernor(requests_per_minute=60_000, burst_seconds=0.5)


def requests(count: int, *, start: int = 0) -> Iterator[GenerationRequest]:
    for number in range(start, start + count):
        yield GenerationRequest(
            key=f"row-{number}",
            target="gemini-2.5-flash",
            base_model="gemini-2.5-flash",
            location="us-central1",
            contents=(Turn("user", f"prompt-{number}"),),
        )


@dataclass
class Shelf:
    """Keeps what a run stores, and lets it check."""

    generator: VertexGenerator
    batches: list[list[Answered]] = field(default_factory=list)
    checks: int = 0
    on_check: Callable[[int], None] = lambda _checks: None

    def store(self, batch: Sequence[Answered]) -> None:
        self.batches.append(list(batch))

    def check(self) -> None:
        self.checks += 1
        self.on_check(self.checks)

    def run(
        self,
        rows: Iterable[GenerationRequest],
        *,
        governor: Governor | None = None,
        limits: CallLimits = LIMITS,
    ) -> Summary:
        return generate_all(
            rows,
            generator=self.generator,
            governor=governor or fast(),
            limits=limits,
            store=self.store,
            check=self.check,
        )

    @property
    def answered(self) -> list[Answered]:
        return [result for batch in self.batches for result in batch]

    @property
    def keys(self) -> list[str]:
        return [result.key for result in self.answered]


@pytest.fixture
def shelf(generator: VertexGenerator) -> Shelf:
    return Shelf(generator)


def expected(count: int) -> set[str]:
    return {f"row-{number}" for number in range(count)}


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


def test_results_are_stored_in_batches_while_the_run_goes_on(shelf: Shelf) -> None:
    shelf.run(requests(300), governor=LocalGovernor(requests_per_minute=12_000, burst_seconds=0))
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

    shelf.run(counted(), limits=CallLimits(in_flight=16, attempts=4, timeout_seconds=10))
    assert len(shelf.keys) == 200
    assert max(ahead) <= 16 + 1


def test_a_pace_below_the_quota_is_hardly_refused(provider: Provider, shelf: Shelf) -> None:
    provider.requests_per_minute = 6000
    begun = time.monotonic()
    summary = shelf.run(
        requests(200), governor=LocalGovernor(requests_per_minute=6000, burst_seconds=0.1)
    )
    assert summary.answered == 200
    assert summary.refused_429 <= 10
    assert 1.5 < time.monotonic() - begun < 8


def test_a_pace_above_the_quota_finds_it_and_loses_nothing(
    provider: Provider, shelf: Shelf
) -> None:
    provider.requests_per_minute = 3000
    summary = shelf.run(
        requests(200), governor=LocalGovernor(requests_per_minute=6000, burst_seconds=0.1)
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
    limits = CallLimits(in_flight=8, attempts=2, timeout_seconds=5)
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


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [(403, Forbidden, "provider_forbidden"), (404, NotFound, "provider_not_found")],
)
def test_a_refusal_of_every_call_ends_the_run(
    provider: Provider, shelf: Shelf, status: int, error: type[Exception], code: str
) -> None:
    provider.faults.extend([status] * 5000)
    with pytest.raises(error) as caught:
        shelf.run(requests(5000))
    assert getattr(caught.value, "code", "") == code
    assert len(provider.paths) < 500


def test_a_used_up_day_ends_the_run_and_says_when_to_resume(
    provider: Provider, shelf: Shelf
) -> None:
    provider.always["prompt-50"] = DAY_USED_UP
    with pytest.raises(QuotaExhausted) as caught:
        shelf.run(requests(5000))
    assert caught.value.resume_seconds == 7200
    assert set(shelf.keys) == {prompt.replace("prompt", "row") for prompt in provider.accepted}


def test_a_resumed_run_sends_only_what_it_is_given(provider: Provider, shelf: Shelf) -> None:
    provider.always["prompt-60"] = DAY_USED_UP
    with pytest.raises(QuotaExhausted):
        shelf.run(requests(150))
    provider.always.clear()
    stored = set(shelf.keys)
    shelf.run(request for request in requests(150) if request.key not in stored)
    assert sorted(shelf.keys) == sorted(expected(150))
    assert max(provider.accepted.values()) == 1


def test_an_error_of_the_store_ends_the_run(provider: Provider, shelf: Shelf) -> None:
    def refuse(_batch: Sequence[Answered]) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        generate_all(
            requests(5000),
            generator=shelf.generator,
            governor=fast(),
            limits=LIMITS,
            store=refuse,
            check=shelf.check,
        )
    assert len(provider.paths) < 1000


def test_an_error_of_the_source_ends_the_run(shelf: Shelf) -> None:
    def broken() -> Iterator[GenerationRequest]:
        yield from requests(40)
        raise Stopped

    with pytest.raises(Stopped):
        shelf.run(broken())


def stop_at_second_check(checks: int) -> None:
    if checks == 2:
        raise Stopped


def test_a_check_stops_the_run_soon_and_what_was_paid_is_stored(
    provider: Provider, shelf: Shelf
) -> None:
    shelf.on_check = stop_at_second_check
    begun = time.monotonic()
    with pytest.raises(Stopped):
        shelf.run(requests(5000), governor=LocalGovernor(requests_per_minute=6000, burst_seconds=0))
    assert time.monotonic() - begun < 4
    assert set(shelf.keys) == {prompt.replace("prompt", "row") for prompt in provider.accepted}
    assert provider.in_flight == 0


def test_a_stopped_run_waits_for_hanging_calls_no_longer_than_the_grace(
    provider: Provider, shelf: Shelf
) -> None:
    provider.faults.append(HANG)
    shelf.on_check = stop_at_second_check
    begun = time.monotonic()
    with pytest.raises(Stopped):
        shelf.run(requests(5))
    assert 4 < time.monotonic() - begun < 9
    assert len(shelf.keys) == 4


def test_a_second_run_uses_the_same_thread_and_connections(
    provider: Provider, shelf: Shelf
) -> None:
    threads: set[int] = set()
    limits = CallLimits(in_flight=4, attempts=2, timeout_seconds=5)
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


def test_a_run_outlives_its_redis(
    provider: Provider, shelf: Shelf, redis: RedisServer, closing: Closing
) -> None:
    governor = RedisGovernor(
        redis.url, key="quota:p/l/m", requests_per_minute=6000, burst_seconds=0.1
    )
    closing(governor)

    def kill_and_start(checks: int) -> None:
        if checks == 2:
            redis.kill()
        elif checks == 4:
            redis.start()

    shelf.on_check = kill_and_start
    provider.requests_per_minute = 6300
    summary = shelf.run(requests(300), governor=governor)
    assert summary.answered == 300
    assert set(shelf.keys) == expected(300)
    eventually(redis.is_up)


def test_an_interrupted_caller_cancels_its_run(provider: Provider, shelf: Shelf) -> None:
    def interrupt(checks: int) -> None:
        if checks == 2:
            os.kill(os.getpid(), 2)

    shelf.on_check = interrupt
    with pytest.raises(KeyboardInterrupt):
        shelf.run(requests(5000), governor=LocalGovernor(requests_per_minute=6000, burst_seconds=0))
    eventually(lambda: provider.in_flight == 0)
    assert len(shelf.keys) < 1000
    assert loop_thread().run(_one()) == 1


async def _one() -> int:
    return 1
