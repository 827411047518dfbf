"""Migrations build exactly the tables the models describe, and carry over what runs meanwhile."""

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from service.catalogue.catalogue import load_catalogue
from service.clock import utc_now
from service.database import Sessions
from service.datasets.operations import PREPARE
from service.evaluation.models import BatchRun
from service.evaluation.operations import evaluate_kind
from service.evaluation.queries import get_evaluation
from service.evaluation.schemas import present_evaluation
from service.jobs.lifecycle import State
from service.migrations.column_statistics import keep_no_texts
from service.migrations.tables import metadata
from service.migrations.upgrade import TablesVersion, alembic_config, tables_version
from service.tuning.queries import base_model_of, ready_model
from tests.support.runs import MemoryRun, add_project, reserve_run


def test_migrations_build_what_the_models_describe(sessions: Sessions) -> None:
    with sessions.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_database_is_current(sessions: Sessions) -> None:
    assert tables_version(sessions) is TablesVersion.CURRENT


def test_statistics_of_the_planner_hold_no_texts(sessions: Sessions) -> None:
    if sessions.engine.dialect.name == "sqlite":
        pytest.skip("SQLite collects none by default")
    add_project(sessions)
    with sessions.engine.connect() as connection:
        assert "name" not in _analyzed(connection)
        connection.exec_driver_sql("ALTER TABLE project ALTER COLUMN name SET STATISTICS -1")
        assert "name" in _analyzed(connection)  # as it was before
        keep_no_texts(connection)
        assert "name" not in _analyzed(connection)
        assert "id" in _analyzed(connection)
        connection.rollback()


def _analyzed(connection: Connection) -> set[str]:
    """Return the columns of `project` of which there are statistics."""
    connection.exec_driver_sql("ANALYZE project")
    found = connection.exec_driver_sql("SELECT attname FROM pg_stats WHERE tablename = 'project'")
    return {row[0] for row in found}


def test_results_of_retired_models_survive_the_way_from_an_older_database(
    sessions: Sessions,
) -> None:
    project_id = add_project(sessions)
    source = {"type": "synthetic", "rows": 120, "seed": 3}
    prepare = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": 10}
    dataset = reserve_run(PREPARE, prepare, project_id=project_id, sessions=sessions)
    kind = evaluate_kind(
        "gemini-2.5-flash",
        find_model=ready_model,
        find_base_model=base_model_of,
        catalogue=load_catalogue(),
    )
    spec: dict[str, Any] = {"dataset": dataset.outputs["dataset"], "variant": "zero_shot"}
    spec["allow_unlisted_model"] = True
    run = reserve_run(kind, spec, project_id=project_id, sessions=sessions)
    before = _evaluation(run, sessions)

    migrate(sessions, "0005")
    migrate(sessions, "head")

    after = _evaluation(run, sessions)
    assert (before["unlisted_model"], after["unlisted_model"]) == (True, False)
    assert after == {**before, "unlisted_model": False}
    assert after["base_model"] == "gemini-2.5-flash"


def _evaluation(run: MemoryRun, sessions: Sessions) -> dict[str, Any]:
    row, scores = get_evaluation(
        run.outputs["evaluation"], project_id=run.project_id, sessions=sessions
    )
    return present_evaluation(row, scores, job=State.SUCCEEDED).model_dump()


def migrate(sessions: Sessions, revision: str) -> None:
    config = alembic_config()
    move = command.upgrade if revision == "head" else command.downgrade
    with sessions.engine.connect() as connection:
        config.attributes["connection"] = connection
        move(config, revision)
        connection.commit()


def add_batch(sessions: Sessions, *, ended: bool) -> MemoryRun:
    """Write an evaluation with a batch that runs, or has ended; return the evaluation's run."""
    now, project_id = utc_now(), add_project(sessions)
    catalogue = load_catalogue()
    prepare = {"preset": "pii", "source": {"type": "synthetic", "rows": 1000, "seed": 1}}
    dataset = reserve_run(PREPARE, prepare, project_id=project_id, sessions=sessions)
    kind = evaluate_kind(
        "gemini-3.1-flash-lite",
        find_model=ready_model,
        find_base_model=base_model_of,
        catalogue=catalogue,
    )
    spec = {"dataset": dataset.outputs["dataset"], "variant": "zero_shot"}
    run = reserve_run(kind, spec, project_id=project_id, sessions=sessions)
    with sessions.transaction() as session:
        batch = BatchRun(
            evaluation_id=run.outputs["evaluation"],
            job_id=run.id,
            state="succeeded" if ended else "accepted",
            provider_state="",
            resource_name="projects/p/locations/us/batchPredictionJobs/1",
            input_key="batches/1.jsonl",
            requests=3,
            intended_at=now,
            submitted_at=now,
            finished_at=now if ended else None,
        )
        session.add(batch)
    return run


def test_a_batch_that_runs_during_the_upgrade_is_polled_and_one_that_ended_is_left_alone(
    sessions: Sessions,
) -> None:
    runs = {ended: add_batch(sessions, ended=ended) for ended in (False, True)}
    migrate(sessions, "0006")
    migrate(sessions, "head")
    with sessions.reading() as session:
        for ended, run in runs.items():
            row = session.get_one(BatchRun, run.outputs["evaluation"])
            assert row.job_id == run.id
            assert (row.next_poll_at is None) is ended
            assert row.collected_at == row.finished_at
            assert (row.deadline_at is None) is ended
    assert tables_version(sessions) is TablesVersion.CURRENT
