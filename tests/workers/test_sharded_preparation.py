"""A fleet prepares one dataset together: what one worker would make, whichever dies meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.datasets.operations import PREPARE, run_prepare
from service.datasets.queries import get_dataset
from service.jobs.lifecycle import State
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.postgres import PostgresServer
from tests.support.runs import reserve_run
from tests.support.stack import Stack, start_stack

pytestmark = pytest.mark.journey

ROWS, SHARD_ROWS = 15_000, 2_500
SIZES = {"train_sizes": [50, 500], "test_size": 100, "validation_size": 50}


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer) -> Iterator[Stack]:
    """A fleet with two workers of one slot each that prepare."""
    with (
        postgres.database() as database_url,
        start_stack(
            tmp_path, database_url, settings={"prepare_shard_rows": str(SHARD_ROWS)}
        ) as started,
    ):
        started.fleet.start_ticker()
        started.workers = [
            started.fleet.start_worker("prepare", name=name, concurrency=1)
            for name in ("one", "two")
        ]
        yield started


def tweets(stack: Stack) -> dict[str, Any]:
    lines = ["text,sentiment"]
    for number in range(ROWS):
        about = number if number % 9 else number % 500
        words = " ".join(f"w{(about + 1) * (at + 3) * 7919 % 99991}" for at in range(12))
        lines.append(f"{words} {number % 4},{('positive', 'negative')[about % 2]}")
    file_id = stack.upload("\n".join(lines).encode(), name="tweets.csv", file_format="csv")
    return {"preset": "sentiment", "source": {"type": "file", "file_id": file_id}, **SIZES}


def fingerprint(stack: Stack, dataset_id: str) -> str | None:
    row = get_dataset(dataset_id, project_id=stack.project_id, sessions=stack.services.sessions)
    return row.fingerprint


def made_alone(stack: Stack, spec: dict[str, Any]) -> str | None:
    """Return the fingerprint of what this one process makes of a spec."""
    services = stack.services
    run = reserve_run(PREPARE, spec, project_id=stack.project_id, sessions=services.sessions)
    run_prepare(
        run,
        sessions=services.sessions,
        store=services.store,
        limits=services.file_limits,
        google_project="",
        catalogue=services.catalogue,
    )
    return fingerprint(stack, run.outputs["dataset"])


def until_both_convert(stack: Stack, job: Job) -> None:
    def both() -> bool:
        return [shard.state for shard in stack.children(job.id)].count(State.RUNNING) == 2

    eventually(both, pause=0.02, what="no two shards are converted at once")


def test_a_sharded_preparation_stops_on_a_cancel_and_survives_the_death_of_a_worker(
    pair: Stack,
) -> None:
    spec = tweets(pair)
    cancelled = pair.submit("prepare", spec)
    until_both_convert(pair, cancelled)
    pair.cancel(cancelled.id)

    assert pair.ended(cancelled.id).state == State.CANCELLED
    states = {shard.state for shard in pair.children(cancelled.id)}
    assert State.CANCELLED in states <= {State.CANCELLED, State.SUCCEEDED}
    assert pair.services.store.keys_below("preparing") == []

    job = pair.submit("prepare", spec)
    until_both_convert(pair, job)
    pair.workers[0].kill()

    ended = pair.succeeded(job.id)
    shards = pair.children(job.id)
    assert [shard.kind for shard in shards] == ["draft"] * (ROWS // SHARD_ROWS)
    assert not any(pair.events(shard.id) for shard in shards)
    assert fingerprint(pair, ended.outputs["dataset"]) == made_alone(pair, spec)
    assert pair.services.store.keys_below("preparing") == []
