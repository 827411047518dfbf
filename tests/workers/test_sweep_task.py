"""Tasks of the ticker: an outage leaves the work to the next ticket, a fault of ours is raised."""

import pytest

from service.clock import utc_now
from service.database import open_sessions
from service.errors import Internal
from service.registry import Registry
from service.tuning.operations import TuningPace, poll_tunings
from tests.support.fleet import free_port
from workers.sweep_task import left_to_the_next_ticket

PACE = TuningPace(poll_seconds=1, settle_seconds=1, deadline_hours=1)


def test_a_database_that_is_away_leaves_the_poll_to_the_next_ticket(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sessions = open_sessions(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing")
    with left_to_the_next_ticket("tuning.poll"):
        poll_tunings(utc_now(), sessions=sessions, providers=Registry("provider", {}), pace=PACE)
    sessions.close()
    assert "database_unavailable" in "".join(capfd.readouterr())


def test_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(Internal), left_to_the_next_ticket("tuning.poll"):
        raise Internal("ours")
