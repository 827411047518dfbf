"""Tasks of the ticker: an outage leaves the work to the next message, a fault of ours is raised."""

import pytest

from service.database import open_sessions
from service.errors import Internal
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.sweep import poll_operations
from service.registry import Registry
from service.tuning.polls import polled_tunings
from tests.support.memory_store import MemoryStore
from workers.sweep_task import left_to_the_next_message

TABLES = [polled_tunings(lambda _: Registry("provider", {}), store=MemoryStore)]


def test_a_database_that_is_away_leaves_the_poll_to_the_next_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sessions = open_sessions("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with left_to_the_next_message("jobs.poll_operations"):
        poll_operations(TABLES, sessions=sessions, pace=OperationPace(1, 1))
    sessions.close()
    assert "database_unavailable" in "".join(capfd.readouterr())


def test_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(Internal), left_to_the_next_message("jobs.poll_operations"):
        raise Internal("ours")
