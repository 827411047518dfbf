"""Calls of local models through channels of a real Redis: answered, refused, and kept nowhere."""

import threading
from collections.abc import Callable, Iterator

import pytest
import redis

from service.errors import Internal, NotFound, Unavailable
from service.inference.operations import loop_thread, shut_down
from service.inference.ports import Generation, GenerationRequest, Outcome, Turn
from service.inference.redis_relay import TASK, Answer, Emit, RelayedGenerator, answer_relayed
from service.task_queue import Queue
from tests.support.redis import start_redis

PREFIX = "lab."
SECRET = "a splendid day for Zebulon"
REQUEST = GenerationRequest("k", "local:m", "local:m", "local", (Turn("user", SECRET),), seed=7)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with start_redis() as started:
        yield started.url


class OneWorker:
    """A queue whose messages a worker takes at once; without `answer` there is none."""

    def __init__(self, redis_url: str, answer: Answer | None) -> None:
        self._redis_url, self._answer = redis_url, answer
        self.sent: list[str] = []

    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        assert (task, queue, priority) == (TASK, Queue.EVALUATE_LOCAL, 0)
        self.sent += ids
        if self._answer is not None:
            work = {"redis_url": self._redis_url, "prefix": PREFIX, "answer": self._answer}
            threading.Thread(target=answer_relayed, args=ids, kwargs=work).start()
        return True

    def depth(self, _queue: Queue) -> int | None:
        return 0

    def fault(self) -> str | None:
        return None


def relayed(
    redis_url: str,
    answer: Answer | None,
    *,
    seconds: float = 60,
    emit: Callable[[str], None] | None = None,
) -> Generation:
    """Send the request; return the answer, of which nothing rests in Redis."""
    queue = OneWorker(redis_url, answer)
    relay = RelayedGenerator(redis_url, prefix=PREFIX, queue=queue, taken_seconds=seconds)
    try:
        call = relay.generate(REQUEST) if emit is None else relay.stream(REQUEST, emit=emit)
        return loop_thread().run(call)
    finally:
        shut_down(relay)
        with redis.Redis.from_url(redis_url) as client:
            assert client.dbsize() == 0


def test_the_worker_gets_the_request_and_the_caller_the_answer(redis_url: str) -> None:
    def answer(request: GenerationRequest, emit: Emit | None) -> Generation:
        assert (request, emit) == (REQUEST, None)
        return Generation(Outcome.OK, f"{request.contents[0].text}!", usage={"a": {"b": 0.5}})

    assert relayed(redis_url, answer) == Generation(
        Outcome.OK, f"{SECRET}!", usage={"a": {"b": 0.5}}
    )


@pytest.mark.parametrize("pieces", [("a ", "splendid", " day"), ()])
def test_the_pieces_come_before_the_answer_and_all_at_once_from_a_worker_that_sends_none(
    redis_url: str, pieces: tuple[str, ...]
) -> None:
    def answer(_request: GenerationRequest, emit: Emit | None) -> Generation:
        assert emit is not None
        for piece in pieces:
            emit(piece)
        return Generation(Outcome.OK, "a splendid day")

    came = list[str]()
    assert relayed(redis_url, answer, emit=came.append).text == "a splendid day"
    assert tuple(came) == (pieces or ("a splendid day",))


def test_what_the_worker_raises_the_caller_meets(redis_url: str) -> None:
    def answer(_request: GenerationRequest, _emit: Emit | None) -> Generation:
        raise NotFound("no model", code="local_model_not_found")

    with pytest.raises(NotFound, match="no model") as raised:
        relayed(redis_url, answer)
    assert raised.value.code == "local_model_not_found"


def test_a_fault_of_the_worker_is_reported_without_its_words(redis_url: str) -> None:
    def answer(request: GenerationRequest, _emit: Emit | None) -> Generation:
        raise RuntimeError(request.contents[0].text)

    with pytest.raises(Internal, match="unexpected RuntimeError") as raised:
        relayed(redis_url, answer)
    assert SECRET not in str(raised.value)


def test_without_a_worker_the_caller_learns_how_to_start_one(redis_url: str) -> None:
    with pytest.raises(Unavailable, match="--queues evaluate-local") as raised:
        relayed(redis_url, None, seconds=0.05)
    assert raised.value.code == "local_worker_unavailable"


def test_a_message_that_nobody_waits_for_does_nothing(redis_url: str) -> None:
    asked = list[GenerationRequest]()

    def answer(request: GenerationRequest, _emit: Emit | None) -> Generation:
        asked.append(request)
        return Generation(Outcome.OK)

    answer_relayed("0" * 32, redis_url=redis_url, prefix=PREFIX, answer=answer)
    assert not asked


def test_without_redis_the_caller_learns_of_it(tmp_path: object) -> None:
    away = f"unix://{tmp_path}/redis.sock"
    with pytest.raises(Unavailable) as raised:
        loop_thread().run(
            RelayedGenerator(away, prefix=PREFIX, queue=OneWorker(away, None)).generate(REQUEST)
        )
    assert raised.value.code == "redis_unavailable"
