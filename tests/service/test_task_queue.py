"""A message is a hint: one that cannot be sent is reported by False, whatever happens to Redis."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.redis_address import RedisAddress
from service.task_queue import CeleryTaskQueue, Queue
from tests.support.redis import start_redis
from tests.support.refusing_redis import start_refusing_redis

SENDERS = 8
FAULTS = 12


def test_no_fault_of_redis_raises_where_many_threads_send() -> None:
    with start_redis() as redis, ThreadPoolExecutor(SENDERS) as threads:
        queue = CeleryTaskQueue(redis.broker_url)
        over = False

        def send() -> None:
            while not over:
                queue.send("none", "1", queue=Queue.NOTIFY)
                queue.depth(Queue.NOTIFY)

        sending = [threads.submit(send) for _ in range(SENDERS)]
        for number in range(FAULTS):
            with redis.client() as client:
                client.config_set("maxmemory", 1)
                client.client_kill_filter(_type="normal", skipme=True)
            if number % 4 == 0:
                redis.kill()
                redis.start()
            with redis.client() as client:
                client.config_set("maxmemory", 0)
        over = True
        for each in sending:
            each.result()
        assert queue.send("none", "1", queue=Queue.NOTIFY)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("-OOM command not allowed when used memory > 'maxmemory'.", "full"),
        ("-READONLY You can't write against a read only replica.", "read-only"),
        ("-LOADING Redis is loading the dataset in memory", "is loading"),
        ("-MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
        ("-NOAUTH Authentication required.", "password"),
        ("-NOPERM this user has no permissions to run the 'get' command", "permission"),
        ("-MOVED 3999 127.0.0.1:6381", "is a cluster"),
        ("-CLUSTERDOWN The cluster is down", "is a cluster"),
        ("-BUSY Redis is busy running a script.", "a script"),
        ("-MASTERDOWN Link with MASTER is down", "its primary"),
        ("-NOREPLICAS Not enough good replicas to write.", "replicas"),
        ("-ERR DB index is out of range", "no database of this number"),
        ("-ERR max number of clients reached", "no more connections"),
        ("-ERR unknown command 'LLEN'", "lacks a command"),
        ("HTTP/1.1 400 Bad Request", "is no Redis"),
    ],
)
def test_what_redis_refuses_is_reported_in_plain_words(line: str, cause: str) -> None:
    with start_refusing_redis(line) as url:
        queue = CeleryTaskQueue(RedisAddress(url).broker_url)
        assert not queue.send("none", "1", queue=Queue.NOTIFY)
        assert queue.depth(Queue.NOTIFY) is None
        assert cause in (queue.fault() or "")


@pytest.mark.parametrize(
    ("url", "cause"),
    [("redis://127.0.0.1:1", "nothing listens"), ("unix:///nowhere/redis.sock", "nothing listens")],
)
def test_what_is_in_the_way_to_redis_is_reported(url: str, cause: str) -> None:
    assert cause in (CeleryTaskQueue(RedisAddress(url).broker_url).fault() or "")
