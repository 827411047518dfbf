"""Deleting erases: one experiment with batches, cache, tuned models and failures leaves no byte."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text

from service.database import Model
from service.erasure.operations import delete_experiment, delete_job, delete_output
from service.erasure.pending_leftovers import list_erasures
from service.erasure.projects import erase_project, has_closed_projects
from service.erasure.subjects.operations import find_subject
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.projects.operations import ensure_project
from tests.support.eventually import eventually
from tests.support.stack import Stack, start_stack

pytestmark = pytest.mark.journey

CANARY = "Kanarienvogel7391"
NAME = f'{CANARY} "Zoë"'


@pytest.fixture
def stack(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with start_stack(tmp_path, database_url) as started:
        started.start()
        yield started


def rows(count: int) -> bytes:
    lines = [
        {"text": f"Row {number}: {NAME} lives in Rome.", "target": f"{NAME} {number % 3}"}
        for number in range(count)
    ]
    written = (json.dumps(line, ensure_ascii=at % 2 == 0) for at, line in enumerate(lines))
    return "\n".join(written).encode()


def files_with(folder: Path, needle: str = CANARY) -> list[str]:
    """Return the files below a folder that hold the canary, plain or in UTF-16."""
    forms = [needle.encode(), needle.encode("utf-16-le")]
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]


def database_files(stack: Stack) -> Path:
    """Return the folder of the database's files; PostgreSQL's hold live rows only from now on."""
    engine = stack.services.sessions.engine
    if engine.dialect.name == "sqlite":
        return stack.fleet.folder
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL"))
        connection.execute(text("CHECKPOINT"))
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
        oid = connection.execute(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        ).scalar_one()
    return Path(str(folder)) / "base" / str(oid)


def found(stack: Stack) -> set[str]:
    """Return the kinds of place where the search for a text finds the canary."""
    services = stack.services
    answer = find_subject(
        CANARY, after=None, sessions=services.sessions, store=services.store, seconds=600
    )
    assert answer.next is None
    return {place.kind for place in answer.places}


def at_provider(stack: Stack, names: set[str]) -> set[str]:
    """Return those of some models and endpoints that are there."""
    answers = {name: httpx2.get(f"{stack.emulator.url}/v1/{name}") for name in names}
    assert {each.status_code for each in answers.values()} <= {200, 404}
    return {name for name, answer in answers.items() if answer.status_code == 200}


def redis_with_canary(stack: Stack) -> bool:
    with stack.redis.client() as client:
        return any(CANARY.encode() in (client.dump(key) or b"") for key in client.scan_iter())


def work(stack: Stack) -> tuple[str, list[Job]]:
    """Upload the canary, and run an experiment, a batch and two jobs that fail on it."""
    file_id = stack.upload(rows(160), name="rows.jsonl", file_format="jsonl")
    source = {"type": "file", "file_id": file_id}
    prepare: dict[str, Any] = {
        "preset": "generic",
        "source": source,
        "template": {"instruction": "Who?", "text": "{{text}}", "target": "{{target}}"},
        "train_sizes": [10, 20],
        "test_size": 20,
    }
    stack.emulator.configure(safety_rate=0.2, malformed_text_rate=0.2, error_503_rate=0.2)
    experiment = stack.submit("experiment", {"prepare": prepare, "shots": 2})
    failing = stack.submit("prepare", {**prepare, "test_size": 500})
    stack.succeeded(experiment.id)
    (dataset,) = {
        each.outputs["dataset"]
        for each in stack.children(experiment.id)
        if "dataset" in each.outputs
    }
    batch = stack.submit(
        "evaluate", {"dataset": dataset, "variant": "zero_shot", "seed": 5, "lane": "batch"}
    )
    again = stack.submit("tune", {"dataset": dataset, "train_size": 10})  # it is used again
    stack.succeeded(again.id)
    stack.emulator.configure(tuning_outcome="error_after_upload")
    broken = stack.submit("tune", {"dataset": dataset, "train_size": 10, "fresh": True})
    stack.succeeded(batch.id)
    assert [stack.ended(job.id).state for job in (failing, broken)] == [State.FAILED] * 2
    return file_id, [stack.job(each.id) for each in (experiment, failing, batch, again, broken)]


def test_no_byte_of_what_was_deleted_is_left_anywhere(stack: Stack) -> None:
    services = stack.services
    where: dict[str, Any] = {"project_id": stack.project_id}
    folder = stack.fleet.folder
    file_id, jobs = work(stack)

    assert files_with(folder), "the canary is nowhere before it is erased: this test sees nothing"
    assert found(stack) == {"prediction", "response_cache", "object"}
    assert CANARY not in stack.fleet.logs()
    assert not redis_with_canary(stack)
    with services.sessions.reading() as session:
        for name in ("event", "delivery", "job"):
            told = session.execute(select(Model.metadata.tables[name])).all()
            assert CANARY not in str(told), name

    experiment, *others = jobs
    deletion = delete_experiment(
        experiment.outputs["experiment"], with_outputs=True, services=services.erasure, **where
    )
    assert [each.id.partition("_")[0] for each in deletion.kept] == ["ds"]
    assert others[-1].outputs["model"] in deletion.kept[0].reason
    shared = [each for each in deletion.remote if each.state == "kept"]
    assert {each.needed_by for each in shared} == {others[-2].outputs["model"]}
    outputs = [value for job in others for value in job.outputs.values()]
    for output in (*outputs, deletion.kept[0].id):
        delete_output(output, services=services.erasure, **where)
    delete_output(file_id, services=services.erasure, **where)
    for job in jobs:
        delete_job(job.id, services=services.erasure, **where)

    eventually(
        lambda: (
            not list_erasures(stack.project_id, after=None, limit=100, sessions=services.sessions)
        ),
        what="something is still to be erased",
    )
    assert services.store.keys_below("projects") == []
    with services.sessions.reading() as session:
        assert session.execute(text("SELECT count(*) FROM response_cache")).scalar() == 0
        assert session.execute(text("SELECT count(*) FROM job")).scalar() == 0
        assert session.execute(text("SELECT sum(requests) > 0 FROM usage")).scalar()
    assert not redis_with_canary(stack)
    assert found(stack) == set()
    # A transaction that is open while PostgreSQL rewrites its files keeps what it may still read.
    eventually(
        lambda: not files_with(database_files(stack)), pause=1, what="the database still has it"
    )
    stack.fleet.stop()
    stack.emulator.stop()
    services.sessions.discard_deleted()
    assert files_with(folder) == []
    models = folder / "emulator" / "models"
    left = [path for path in folder.rglob("*") if path.suffix in {".npz", ".parquet"}]
    assert (list(models.glob("*")), left) == ([], [])


def test_workers_erase_a_project_with_its_tuned_models_at_the_provider(stack: Stack) -> None:
    sessions = stack.services.sessions
    other = replace(stack, project_id=ensure_project("other", sessions=sessions))
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 80, "seed": 1},
        "train_sizes": [10],
        "test_size": 10,
    }
    for each in (stack, other):
        prepare = each.submit("prepare", spec)
        tune = each.submit("tune", {"dataset": prepare.outputs["dataset"], "train_size": 10})
        each.succeeded(tune.id)
    with sessions.reading() as session:
        model = Model.metadata.tables["model"]
        query = select(model.c.project_id, model.c.resource_name, model.c.endpoint)
        names = {project: set(told) for project, *told in session.execute(query)}
    theirs, ours = names[other.project_id], names[stack.project_id]
    assert at_provider(stack, theirs | ours) == theirs | ours

    erase_project(other.project_id, dry_run=False, sessions=sessions)

    eventually(
        lambda: not has_closed_projects(sessions=sessions), what="the project is still there"
    )
    assert at_provider(stack, theirs | ours) == ours
    folders = {key.split("/")[1] for key in stack.services.store.keys_below("projects")}
    assert folders == {stack.project_id}
