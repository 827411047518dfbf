"""Tunings that two workers poll survive a flush of Redis and an outage of their provider."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bench.jobs.polling_world import start_polling
from service.clock import utc_now
from service.database import Sessions
from service.jobs.models import ProviderCircuit
from tests.support.eventually import eventually
from tests.support.redis import start_redis

pytestmark = pytest.mark.journey

TUNINGS, ENDED = 120, 12


def test_no_tuning_is_lost_by_a_flush_of_redis_or_an_outage_of_the_provider(
    tmp_path: Path, database_url: str
) -> None:
    with (
        start_redis() as redis,
        start_polling(tmp_path, database_url, redis, count=TUNINGS, interval=2) as world,
    ):
        started = utc_now()
        eventually(lambda: world.are_polled_since(started), what="not all are polled")

        world.server.is_down = True
        redis.wipe()
        eventually(lambda: world.server.calls["refused"] > 0, what="nobody has asked")
        eventually(lambda: _is_left_alone(world.sessions), what="its circuit has not opened")
        world.server.ended = set(range(ENDED))
        world.server.is_down = False
        up = _let_it_be_asked(world.sessions)

        eventually(lambda: world.are_polled_since(up), what="not all are polled again")
        eventually(lambda: world.open_jobs() == TUNINGS - ENDED, what="jobs have not ended")


def _is_left_alone(sessions: Sessions) -> bool:
    with sessions.reading() as session:
        found = session.query(ProviderCircuit).one_or_none()
        return found is not None and found.open_until is not None


def _let_it_be_asked(sessions: Sessions) -> datetime:
    """Let the circuit's pause be over, and return the time now."""
    with sessions.transaction() as session:
        session.query(ProviderCircuit).update({"open_until": utc_now() - timedelta(seconds=1)})
    return utc_now()
