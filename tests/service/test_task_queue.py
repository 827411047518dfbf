"""A message is a hint: one that cannot be sent is told by False, whatever happens to Redis."""

from concurrent.futures import ThreadPoolExecutor

from service.task_queue import CeleryTaskQueue, Queue
from tests.support.redis import start_redis

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
