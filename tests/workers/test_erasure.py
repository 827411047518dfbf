"""Deleting erases: one experiment with batches, cache, tuned models and failures leaves no byte."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
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
from service.errors import Invalid
from service.evaluation.judges.verdict_schemas import VerdictIn
from service.evaluation.verdicts import put_verdicts
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.projects.operations import ensure_project
from tests.support.eventually import eventually
from tests.support.stack import Stack, start_stack

pytestmark = pytest.mark.journey

CANARY = "Kanarienvogel7391"
NAME = f'{CANARY} "Zoë"'
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"PAR1")
PREPARE: dict[str, Any] = {
    "preset": "generic",
    "template": {"instruction": "Who?", "text": "{{text}}", "target": "{{target}}"},
    "train_sizes": [10, 20],
    "validation_size": 10,
    "test_size": 20,
}
JUDGE = {"model": "gemini-3.5-flash", "rubric": "Is it right?", "allow_same_family": True}


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


def forms_of(text: str) -> list[bytes]:
    """Return a text as it may stand in files: plain, in UTF-16, in hex, in base64 at any offset."""
    plain = text.encode()
    padded = (b64encode(b"\0" * offset + plain)[4:-4] for offset in range(3))
    return [
        plain,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        *padded,
        plain.hex().encode(),
    ]


def files_with(folder: Path, heads: tuple[bytes, ...] = COMPRESSED) -> list[str]:
    """Return the files below a folder that hold the canary in any form, or begin as those do that
    are compressed, which would hide it.
    """
    forms = forms_of(CANARY)
    stored = ((path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        str(path.relative_to(folder))
        for path, content in stored
        if content.startswith(heads) or any(form in content for form in forms)
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
    answers = {name: httpx2.get(f"{stack.emulator.url}/v1/{name}", timeout=300) for name in names}
    assert {each.status_code for each in answers.values()} <= {200, 404}
    return {name for name, answer in answers.items() if answer.status_code == 200}


def redis_with_canary(stack: Stack) -> list[str]:
    """Return the files of Redis that hold the canary: all that was ever written is in its log."""
    return files_with(stack.redis.folder)


def work(stack: Stack) -> tuple[str, list[Job]]:
    """Upload the canary, and run an experiment, a batch and two jobs that fail on it."""
    file_id = stack.upload(rows(160), name="rows.jsonl", file_format="jsonl")
    prepare = {**PREPARE, "source": {"type": "file", "file_id": file_id}}
    stack.emulator.configure(safety_rate=0.2, malformed_text_rate=0.2, error_503_rate=0.2)
    spec = {
        "prepare": prepare,
        "shots": 2,
        "judge": JUDGE,
        "label_errors": {"rows": 5},
        "optimised_prompt": {"proposals": 2, "shots": [1], "calls": 100},
    }
    experiment = stack.submit("experiment", spec)
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
    jobs = [stack.job(each.id) for each in (experiment, failing, batch, again, broken)]
    return file_id, jobs


def judge_as_people_do(stack: Stack, evaluation_id: str) -> None:
    """Store a verdict on one answer of an evaluation, by a person of the canary's name.

    Of some answers the judge's reply was refused: those take no verdict.
    """
    where: dict[str, Any] = {"sessions": stack.services.sessions, "store": stack.services.store}
    with stack.services.sessions.reading() as session:
        prediction = Model.metadata.tables["prediction"]
        query = select(prediction.c.example_id).where(prediction.c.evaluation_id == evaluation_id)
        answered = session.scalars(query.where(prediction.c.outcome == "ok")).all()
    for example in answered:
        verdict = VerdictIn(example_id=example, verdict=4, rater=CANARY)
        with suppress(Invalid):
            put_verdicts(evaluation_id, [verdict], project_id=stack.project_id, **where)
            return
    pytest.fail("the judge has judged no answer")


def test_no_byte_of_what_was_deleted_is_left_anywhere(stack: Stack) -> None:
    services = stack.services
    where: dict[str, Any] = {"project_id": stack.project_id}
    folder = stack.fleet.folder
    file_id, jobs = work(stack)

    assert files_with(folder), "the canary is nowhere before it is erased: this test sees nothing"
    judge_as_people_do(stack, stack.variants(jobs[0])["zero-shot"].evaluation)
    assert found(stack) == {"prediction", "human_verdict", "response_cache", "object"}
    assert CANARY not in stack.fleet.logs()
    assert not redis_with_canary(stack)
    with services.sessions.reading() as session:
        for name in ("event", "delivery", "job"):
            stored = session.execute(select(Model.metadata.tables[name])).all()
            assert CANARY not in str(stored), name

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
    file_id = other.upload(rows(80), name="rows.jsonl", file_format="jsonl")
    synthetic = {"type": "synthetic", "rows": 80, "seed": 1}
    for each, spec in (
        (stack, {"preset": "pii", "source": synthetic, "train_sizes": [10], "test_size": 10}),
        (other, {**PREPARE, "source": {"type": "file", "file_id": file_id}}),
    ):
        prepare = each.submit("prepare", spec)
        tune = each.submit("tune", {"dataset": prepare.outputs["dataset"], "train_size": 10})
        each.succeeded(tune.id)
    with sessions.reading() as session:
        model = Model.metadata.tables["model"]
        query = select(model.c.project_id, model.c.resource_name, model.c.endpoint)
        names = {project: set(stored) for project, *stored in session.execute(query)}
    theirs, ours = names[other.project_id], names[stack.project_id]
    assert at_provider(stack, theirs | ours) == theirs | ours

    erase_project(other.project_id, dry_run=False, sessions=sessions)

    eventually(
        lambda: not has_closed_projects(sessions=sessions), what="the project is still there"
    )
    assert at_provider(stack, theirs | ours) == ours
    folders = {key.split("/")[1] for key in stack.services.store.keys_below("projects")}
    assert folders == {stack.project_id}
    eventually(  # the other project's own objects are compressed
        lambda: not files_with(database_files(stack), ()), pause=1, what="the database still has it"
    )
    assert files_with(stack.fleet.folder / "emulator", ()) == []
