"""A worker never goes deaf: Redis dies while every slot ends a task, and it hears again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer
from kombu import Queue as KombuQueue

from service.task_queue import PRIORITY_OPTIONS, Queue
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.fleet import FleetProcess, ProcessFleet, start_fleet
from tests.support.redis import RedisServer, queue_of, start_redis
from workers.transport import Transport

pytestmark = pytest.mark.journey

SLOTS = ("one", "two")
TRIALS = 2


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with start_redis() as started:
        yield started


@pytest.fixture
def fleet(tmp_path: Path, redis: RedisServer) -> Iterator[ProcessFleet]:
    env = {"TUNECURVE_REDIS_URL": redis.url, "TUNECURVE_DATA_DIR": str(tmp_path)}
    with start_fleet(tmp_path, env) as started:
        yield started


def lose_redis_while_all_slots_end_tasks(redis: RedisServer, folder: Path, trial: int) -> None:
    """Return with Redis up again and a message waiting that writes `after{trial}`."""
    queue = queue_of(redis, folder)
    names = [f"{slot}{trial}" for slot in SLOTS]
    for name in names:
        queue.send("tests.until", str(folder), name, f"release{trial}", queue=Queue.PREPARE)
    eventually(lambda: all((folder / f"{name}.started").exists() for name in names), what="start")
    redis.kill()
    (folder / f"release{trial}").touch()
    eventually(lambda: all((folder / f"{name}.ended").exists() for name in names), what="end")
    time.sleep(0.5)  # so that the main process has tried to acknowledge both
    redis.start()
    queue.send("tests.slow", str(folder), f"after{trial}", "0", queue=Queue.TUNE)


def test_a_worker_hears_again_after_all_its_acknowledgements_failed(
    tmp_path: Path, redis: RedisServer, fleet: ProcessFleet
) -> None:
    worker = fleet.start_worker("prepare,tune", include="tests.support.slow_task")
    for trial in range(TRIALS):
        lose_redis_while_all_slots_end_tasks(redis, tmp_path, trial)
        after = tmp_path / f"after{trial}.ended"
        eventually(after.exists, what=f"deaf after trial {trial}: {worker.log.read_text()[-2000:]}")
    assert worker.is_alive()


def test_an_acknowledgement_that_fails_gives_its_place_back_and_counts_as_a_lost_connection(
    redis: RedisServer,
) -> None:
    with Connection(redis.broker_url, transport_options=PRIORITY_OPTIONS) as connection:
        # Kombu has cached what `redis` means in this process.
        connection.transport_cls = f"{Transport.__module__}:Transport"
        channel: Any = connection.default_channel
        channel.basic_qos(prefetch_count=1)
        queue = KombuQueue("one", Exchange("one"), routing_key="one")
        with Producer(channel) as producer:
            for _ in range(2):
                producer.publish("x", exchange=queue.exchange, routing_key="one", declare=[queue])
        taken: list[Any] = []
        with Consumer(channel, [queue], on_message=taken.append):
            connection.drain_events(timeout=PATIENCE_SECONDS)
            assert not channel.qos.can_consume()
            redis.kill()
            with pytest.raises(connection.connection_errors):
                taken[0].ack()
            redis.start()
            assert channel.qos.can_consume()
            with pytest.raises(ConnectionError, match="an acknowledgement failed"):
                channel.connection.cycle.on_poll_start()


def test_a_worker_that_is_deaf_all_the_same_exits_and_so_can_be_started_again(
    tmp_path: Path, redis: RedisServer, fleet: ProcessFleet
) -> None:
    include = "tests.support.slow_task,tests.support.kombu_transport"
    worker: FleetProcess = fleet.start_worker("prepare,tune", include=include)
    lose_redis_while_all_slots_end_tasks(redis, tmp_path, 0)
    eventually(lambda: not worker.is_alive(), what="a deaf worker lives")
    assert "worker_deaf" in worker.log.read_text()
    assert not (tmp_path / "after0.started").exists()
