"""Two installations on one Redis: neither takes the other's messages, and sharing is reported."""

import shutil
from pathlib import Path

import httpx2
import pytest

from service.settings import Settings
from service.task_queue import SHARED, CeleryTaskQueue, Queue, QueueNames, queue_names
from tests.api.server import serve
from tests.support.redis import start_redis


def settings_of(url: str, prefix: str = "") -> Settings:
    return Settings(_env_file=None, database_url=url, redis_prefix=prefix)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("sqlite:////data/a/tunecurve.db", "sqlite:////data/b/tunecurve.db", True),
        ("postgresql://me@db/tunecurve", "postgresql://me@db/staging", True),
        ("postgresql://me@db:5432/tunecurve", "postgresql://you:pw@pooler:6432/tunecurve", False),
    ],
)
def test_queues_are_named_after_the_database_and_not_after_its_host(
    one: str,
    other: str,
    apart: bool,  # noqa: FBT001  a table
) -> None:
    first, second = queue_names(settings_of(one)), queue_names(settings_of(other))

    assert (first.prefix != second.prefix) is apart
    assert first.installation != second.installation
    assert "pw" not in f"{second}"
    assert queue_names(settings_of(one, "mine.")).prefix == "mine."


def test_messages_stay_in_their_installation(tmp_path: Path) -> None:
    with start_redis() as redis:
        one, other = (
            CeleryTaskQueue(redis.broker_url, QueueNames(f"{name}.", name)) for name in ("a", "b")
        )
        assert one.send("datasets.prepare", "job_1", queue=Queue.PREPARE)
        assert (one.depth(Queue.PREPARE), other.depth(Queue.PREPARE)) == (1, 0)
        assert (one.fault(), other.fault(), one.fault()) == (None, None, None)


def test_installations_that_share_their_queues_are_reported(tmp_path: Path) -> None:
    with start_redis() as redis:
        ours, theirs = (
            CeleryTaskQueue(redis.broker_url, QueueNames("same.", name)) for name in ("a", "b")
        )
        assert ours.fault() is None
        assert theirs.fault() == SHARED
        assert ours.fault() == SHARED
        assert ours.fault() is None  # the other has gone


def test_readiness_says_that_queues_are_shared(migrated_sqlite: Path, tmp_path: Path) -> None:
    with start_redis() as redis:
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path,
            database_url=f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}",
            redis_url=redis.url,
            redis_prefix="same.",
        )
        CeleryTaskQueue(redis.broker_url, QueueNames("same.", "another")).fault()
        with serve(settings) as api:
            reported = httpx2.get(f"{api.url}/readyz", timeout=300).json()
    assert (reported["status"], reported["broker"], reported["broker_detail"]) == (
        "degraded",
        "shared",
        SHARED,
    )
