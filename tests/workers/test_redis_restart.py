"""A worker outlives its broker: Celery 5.7.0's does not, which is why 5.6.2 is pinned."""

from pathlib import Path

import pytest

from service.task_queue import Queue
from tests.support.eventually import eventually
from tests.support.fleet import start_fleet
from tests.support.redis import queue_of, start_redis

pytestmark = pytest.mark.journey


def test_a_worker_with_one_of_two_slots_busy_survives_a_redis_restart(tmp_path: Path) -> None:
    with start_redis() as redis:
        env = {"TUNECURVE_REDIS_URL": redis.url, "TUNECURVE_DATA_DIR": str(tmp_path)}
        with start_fleet(tmp_path, env) as fleet:
            worker = fleet.start_worker("prepare,tune", include="tests.support.slow_task")
            queue = queue_of(redis, tmp_path)
            for restart in range(2):
                busy, after = f"busy{restart}", f"after{restart}"
                queue.send("tests.slow", str(tmp_path), busy, "6", queue=Queue.PREPARE)
                eventually((tmp_path / f"{busy}.started").exists, what="the slow task starts")
                redis.kill()
                assert queue.depth(Queue.PREPARE) is None
                assert not queue.send("tests.slow", str(tmp_path), "lost", "0", queue=Queue.TUNE)
                redis.start()
                queue.send("tests.slow", str(tmp_path), after, "0", queue=Queue.TUNE)
                eventually((tmp_path / f"{after}.ended").exists, what=worker.log.read_text())
                eventually((tmp_path / f"{busy}.ended").exists, what="the slow task ends")
                assert worker.is_alive()
            assert not (tmp_path / "lost.started").exists()


def test_each_message_goes_to_one_queue_only(tmp_path: Path) -> None:
    with start_redis() as redis:
        queue = queue_of(redis, tmp_path)
        env = {"TUNECURVE_REDIS_URL": redis.url, "TUNECURVE_DATA_DIR": str(tmp_path)}
        with start_fleet(tmp_path, env) as fleet:
            fleet.start_worker("prepare", include="tests.support.slow_task")
            assert queue.send("tests.slow", str(tmp_path), "first", "0", queue=Queue.NOTIFY)
            assert queue.send("tests.slow", str(tmp_path), "second", "0", queue=Queue.PREPARE)
            eventually((tmp_path / "second.ended").exists, what="the prepare queue is read")
            assert queue.depth(Queue.NOTIFY) == 1
            assert queue.depth(Queue.PREPARE) == 0
            assert not (tmp_path / "first.started").exists()


def test_messages_that_go_first_are_taken_first_and_all_are_counted(tmp_path: Path) -> None:
    with start_redis() as redis:
        queue = queue_of(redis, tmp_path)
        for number, priority in enumerate((9, 1, 0, 1)):
            name = f"{number}-{priority}"
            queue.send(
                "tests.slow", str(tmp_path), name, "0", queue=Queue.EVALUATE, priority=priority
            )
        assert queue.depth(Queue.EVALUATE) == 4
        env = {"TUNECURVE_REDIS_URL": redis.url, "TUNECURVE_DATA_DIR": str(tmp_path)}
        with start_fleet(tmp_path, env) as fleet:
            fleet.start_worker("evaluate", concurrency=1, include="tests.support.slow_task")
            eventually((tmp_path / "0-9.ended").exists, what="the last message is taken")
            ended = sorted(tmp_path.glob("*.ended"), key=lambda file: file.stat().st_mtime_ns)
            assert [file.stem for file in ended] == ["2-0", "1-1", "3-1", "0-9"]
            assert queue.depth(Queue.EVALUATE) == 0
