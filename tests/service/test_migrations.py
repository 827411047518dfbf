"""Migrations build exactly the tables the models describe."""

from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.catalogue.catalogue import load_catalogue
from service.database import Sessions
from service.datasets.operations import PREPARE
from service.evaluation.operations import evaluate_kind
from service.evaluation.queries import get_evaluation
from service.evaluation.schemas import present_evaluation
from service.jobs.lifecycle import State
from service.migrations.tables import metadata
from service.migrations.upgrade import alembic_config, is_current
from service.tuning.queries import ready_model
from tests.support.runs import MemoryRun, add_project, reserve_run


def test_migrations_build_what_the_models_describe(sessions: Sessions) -> None:
    with sessions.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_database_is_current(sessions: Sessions) -> None:
    assert is_current(sessions)


def test_results_of_retired_models_survive_the_way_from_an_older_database(
    sessions: Sessions,
) -> None:
    project_id = add_project(sessions)
    source = {"type": "synthetic", "rows": 120, "seed": 3}
    prepare = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": 10}
    dataset = reserve_run(PREPARE, prepare, project_id=project_id, sessions=sessions)
    kind = evaluate_kind("gemini-2.5-flash", find_model=ready_model, catalogue=load_catalogue())
    spec: dict[str, Any] = {"dataset": dataset.outputs["dataset"], "variant": "zero_shot"}
    spec["allow_unlisted_model"] = True
    run = reserve_run(kind, spec, project_id=project_id, sessions=sessions)
    before = _evaluation(run, sessions)

    with sessions.engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        connection.commit()
        command.upgrade(config, "head")
        connection.commit()

    after = _evaluation(run, sessions)
    assert (before["unlisted_model"], after["unlisted_model"]) == (True, False)
    assert after == {**before, "unlisted_model": False}
    assert after["base_model"] == "gemini-2.5-flash"


def _evaluation(run: MemoryRun, sessions: Sessions) -> dict[str, Any]:
    row, scores = get_evaluation(
        run.outputs["evaluation"], project_id=run.project_id, sessions=sessions
    )
    return present_evaluation(row, scores, job=State.SUCCEEDED).model_dump()
