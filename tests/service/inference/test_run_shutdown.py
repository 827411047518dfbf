"""A run ends when it must: at once, with what was paid for stored, and saying why."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence

import pytest

from service.errors import Forbidden, NotFound
from service.inference.generation_run import CANCELLED_SECONDS
from service.inference.governor import LocalGovernor
from service.inference.operations import generate_all, loop_thread
from service.inference.ports import Flow, GenerationRequest, GenerationResult, Quota
from service.inference.retry import QuotaExhausted
from service.jobs.ports import Preempted
from tests.service.inference.provider import DAY_USED_UP, HANG, Provider
from tests.service.inference.result_store import (
    FLOW,
    LIMITS,
    Shelf,
    Stopped,
    expected,
    fast,
    requests,
)
from tests.support.eventually import eventually


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
    def refuse(_batch: Sequence[GenerationResult]) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        generate_all(
            requests(5000),
            generator=shelf.generator,
            governor=fast(),
            flow=FLOW,
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
    with pytest.raises(Stopped):
        shelf.run(
            requests(5000), governor=LocalGovernor(Quota(requests_per_minute=6000, burst_seconds=0))
        )
    assert len(shelf.keys) < 2500
    assert set(shelf.keys) == {prompt.replace("prompt", "row") for prompt in provider.accepted}
    assert provider.in_flight == 0


def test_what_a_run_gives_up_in_flight_is_handed_over_as_it_may_be_billed(
    provider: Provider, shelf: Shelf
) -> None:
    provider.always.update({f"prompt-{number}": HANG for number in range(4)})

    def stop_once_sent(_checks: int) -> None:
        if len(provider.paths) == 4:
            raise Stopped

    shelf.on_check = stop_once_sent
    with pytest.raises(Stopped):
        shelf.run(requests(4))

    assert {each.key for each in shelf.abandoned} == expected(4)
    billed = [each.billed for each in shelf.abandoned]
    assert [(len(each), each[0].uncounted, each[0].prompt_tokens > 0) for each in billed] == [
        (1, True, True)
    ] * 4
    assert shelf.answered == []


class DeafGovernor(LocalGovernor):
    """Loses every cancel that meets it, as redis-py does when its answer comes at that moment."""

    async def acquire(self, flow: Flow, *, tokens: Callable[[], int], first: bool = False) -> int:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.02)
        return 0


def test_a_run_ends_though_its_governor_has_lost_the_cancel(
    provider: Provider, shelf: Shelf
) -> None:
    shelf.on_check = stop_at_second_check
    with pytest.raises(Stopped):
        shelf.run(requests(5000), governor=DeafGovernor(Quota(requests_per_minute=1)))
    assert set(shelf.keys) == {prompt.replace("prompt", "row") for prompt in provider.accepted}


def test_a_stopped_run_waits_for_hanging_calls_no_longer_than_a_cancel_may_take(
    provider: Provider, shelf: Shelf
) -> None:
    provider.faults.append(10 * CANCELLED_SECONDS)

    def stop_when_the_others_are_stored(_checks: int) -> None:
        if len(shelf.keys) == 4:
            raise Stopped

    shelf.on_check = stop_when_the_others_are_stored
    with pytest.raises(Stopped):
        shelf.run(requests(5))
    assert len(shelf.keys) == 4
    assert provider.accepted.total() == 4


def test_a_draining_run_waits_for_its_calls_and_starts_none(
    provider: Provider, shelf: Shelf
) -> None:
    def drain(checks: int) -> None:
        if checks == 6:
            raise Preempted

    provider.latency_seconds = 2.5
    shelf.on_check = drain
    with pytest.raises(Preempted):
        shelf.run(requests(5000), governor=LocalGovernor(Quota(requests_per_minute=6000)))
    assert set(shelf.keys) == {prompt.replace("prompt", "row") for prompt in provider.accepted}
    assert 20 < len(provider.paths) == len(shelf.keys) < 100


def test_an_interrupted_caller_cancels_its_run(provider: Provider, shelf: Shelf) -> None:
    def interrupt(checks: int) -> None:
        if checks == 2:
            os.kill(os.getpid(), 2)

    shelf.on_check = interrupt
    # A shell that starts the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            shelf.run(
                requests(5000),
                governor=LocalGovernor(Quota(requests_per_minute=6000, burst_seconds=0)),
            )
    finally:
        signal.signal(signal.SIGINT, before)
    eventually(lambda: provider.in_flight == 0)
    assert len(shelf.keys) < 1000
    assert loop_thread().run(_one()) == 1


async def _one() -> int:
    return 1
