"""Cached answers are copied into an evaluation: those that are asked for, whole, and once."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import load_catalogue
from service.database import Sessions, open_sessions
from service.datasets.operations import PREPARE
from service.evaluation.answer_repository import SampleKey, insert_cached
from service.evaluation.models import Prediction
from service.evaluation.operations import evaluate_kind
from service.inference.cache import cache_results, cached_answers, fingerprint_of
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome, Turn
from service.tuning.queries import base_model_of, ready_model
from tests.support.runs import add_project, reserve_run

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USAGE = {"promptTokenCount": 3, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]}
ROWS = 600
EVALUATION = f"eval_{'0' * 26}"


def asked(number: int) -> GenerationRequest:
    return GenerationRequest(
        key=f"row-{number}/0",
        target="gemini-3.1-flash-lite",
        base_model="gemini-3.1-flash-lite",
        location="us",
        contents=(Turn("user", f"Is {number} good?"),),
    )


def answer(number: int) -> Generation:
    return Generation(
        outcome=Outcome.OK,
        text=f"yes “{number}”",
        finish_reason="STOP",
        prompt_tokens=3,
        output_tokens=number,
        usage=USAGE,
        synthetic=True,
    )


@pytest.fixture
def evaluation_id(sessions: Sessions) -> str:
    """An evaluation without answers, and cached answers to all its rows."""
    project_id = add_project(sessions)
    source = {"type": "synthetic", "rows": 120, "seed": 3}
    prepare = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": 10}
    prepared = reserve_run(PREPARE, prepare, project_id=project_id, sessions=sessions)
    kind = evaluate_kind(
        "gemini-3.1-flash-lite",
        find_model=ready_model,
        find_base_model=base_model_of,
        catalogue=load_catalogue(),
    )
    spec = {"dataset": prepared.outputs["dataset"], "variant": "zero_shot"}
    run = reserve_run(kind, spec, project_id=project_id, sessions=sessions)
    with sessions.transaction() as session:
        for scope in ("ours", "theirs"):
            answers = [GenerationResult(asked(number), answer(number), 1) for number in range(ROWS)]
            until = NOW + timedelta(days=1)
            cache_results(
                session, answers, evaluation_id=EVALUATION, scope=scope, now=NOW, until=until
            )
    return run.outputs["evaluation"]


def fingerprints(numbers: range) -> dict[SampleKey, str]:
    return {(f"row-{number}", 0): fingerprint_of(asked(number)) for number in numbers}


def copied(
    sessions: Sessions, evaluation_id: str, asked_for: dict[SampleKey, str], *, now: datetime = NOW
) -> set[SampleKey]:
    answers = cached_answers(scope="ours", now=now)
    with sessions.transaction() as session:
        return insert_cached(session, evaluation_id, asked_for, answers, now=now)


def stored(sessions: Sessions) -> dict[str, Prediction]:
    with sessions.reading() as session:
        return {row.example_id: row for row in session.query(Prediction)}


def test_cached_answers_that_are_asked_for_are_stored_whole(
    sessions: Sessions, evaluation_id: str
) -> None:
    asked_for = fingerprints(range(500)) | {("stranger", 0): "0" * 64}
    assert copied(sessions, evaluation_id, asked_for) == set(fingerprints(range(500)))
    rows = stored(sessions)
    assert len(rows) == 500
    row = rows["row-7"]
    found: dict[str, Any] = {name: getattr(row, name) for name in Generation.__dataclass_fields__}
    assert Generation(**found | {"outcome": Outcome(row.outcome)}) == answer(7)
    assert (row.cached, row.cost_nano, row.sample, row.created_at) == (True, 0, 0, NOW)


def test_what_is_stored_already_stays_and_is_not_reported_again(
    sessions: Sessions, evaluation_id: str
) -> None:
    copied(sessions, evaluation_id, fingerprints(range(10)))
    later = NOW + timedelta(hours=1)
    fresh = copied(sessions, evaluation_id, fingerprints(range(5, 15)), now=later)
    assert fresh == set(fingerprints(range(10, 15)))
    assert stored(sessions)["row-7"].created_at == NOW


def test_samples_with_one_question_are_answered_alike(
    sessions: Sessions, evaluation_id: str
) -> None:
    fingerprint = fingerprint_of(asked(1))
    both = {("row-1", 0): fingerprint, ("row-2", 3): fingerprint}
    assert copied(sessions, evaluation_id, both) == set(both)
    assert {row.text for row in stored(sessions).values()} == {answer(1).text}


def test_what_has_expired_is_not_copied(sessions: Sessions, evaluation_id: str) -> None:
    expired = NOW + timedelta(days=1)
    assert copied(sessions, evaluation_id, fingerprints(range(5)), now=expired) == set()


def test_sqlite_looks_up_each_request_and_does_not_read_the_whole_cache(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    opened = open_sessions(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    statements: list[str] = []
    with opened.transaction() as session:
        connection: Any = session.connection().connection.dbapi_connection
        connection.set_trace_callback(statements.append)
        answers = cached_answers(scope="ours", now=NOW)
        insert_cached(session, "eval_none", fingerprints(range(5)), answers, now=NOW)
        connection.set_trace_callback(None)
        insert = next(each for each in statements if each.startswith("INSERT"))
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {insert}")]
    opened.close()
    assert any("(fingerprint=? AND scope=?)" in step for step in plan), plan
