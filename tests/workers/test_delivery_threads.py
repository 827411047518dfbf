"""Deliveries run beside the jobs of a slot: what hangs holds a thread of its own."""

import threading

import pytest

from service.errors import Unavailable
from tests.support.eventually import eventually
from workers.delivery_threads import DeliveryThreads


def test_what_hangs_holds_no_slot_and_what_finds_no_thread_is_left_to_the_next_message() -> None:
    threads, asked, answered = DeliveryThreads(at_once=2), threading.Semaphore(0), threading.Event()

    def hang() -> None:
        asked.release()
        answered.wait()

    assert [threads.start(hang) for _ in range(3)] == [True, True, False]
    asked.acquire()
    asked.acquire()
    answered.set()
    eventually(lambda: threads.start(hang), what="no thread became free again")
    threads.finish()
    assert asked.acquire(blocking=False)  # it was waited for


@pytest.mark.parametrize("error", [Unavailable("away", code="database_unavailable"), KeyError(1)])
def test_an_attempt_that_fails_gives_its_thread_back(error: Exception) -> None:
    threads = DeliveryThreads(at_once=1)

    def fail() -> None:
        raise error

    assert threads.start(fail)
    eventually(lambda: threads.start(fail), what="the thread was not given back")
    threads.finish()
