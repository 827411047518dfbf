"""An answer that was paid for is used again: for the same question, by whom it may, in time."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.catalogue.catalogue import load_catalogue
from service.catalogue.entry import NO_SETTINGS
from service.database import Sessions, open_sessions
from service.inference.cache import (
    CacheRules,
    cache_results,
    cached_answers,
    fingerprint_of,
    purge_cache,
)
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome, Turn
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
REQUEST = GenerationRequest(
    key="row-1",
    target="gemini-2.5-flash",
    base_model="gemini-2.5-flash",
    location="us-central1",
    contents=(Turn("user", "Is it good?"),),
    seed=7,
    settings=load_catalogue().entry("gemini-2.5-flash").call_settings,
)
ANSWER = Generation(
    outcome=Outcome.OK,
    text="It is. ✓",
    finish_reason="STOP",
    prompt_tokens=4,
    output_tokens=3,
    usage={"promptTokenCount": 4, "cachedContentTokenCount": 1},
    synthetic=True,
)
OURS = CacheRules(days=30, shared=False, emulated=False).scope("proj_a")
EVALUATION = f"eval_{'0' * 26}"


def numbered(count: int) -> list[GenerationRequest]:
    return [
        replace(REQUEST, key=f"row-{number}", contents=(Turn("user", f"Is {number} good?"),))
        for number in range(count)
    ]


def keep(
    sessions: Sessions,
    *answers: GenerationResult,
    scope: str = OURS,
    until: datetime = LATER,
) -> None:
    with sessions.transaction() as session:
        cache_results(session, answers, evaluation_id=EVALUATION, scope=scope, now=NOW, until=until)


def found(
    sessions: Sessions,
    *requests: GenerationRequest,
    scope: str = OURS,
    now: datetime = NOW,
) -> dict[str, Generation]:
    """Return what is cached, by the key of its request."""
    answers = cached_answers(scope=scope, now=now)
    names = [column.name for column in answers.c if column.name != "fingerprint"]
    with sessions.reading() as session:
        rows = {
            row.fingerprint: Generation(**{name: getattr(row, name) for name in names})
            for row in session.execute(select(answers))
        }
    keys = {request.key: fingerprint_of(request) for request in requests}
    return {key: rows[fingerprint] for key, fingerprint in keys.items() if fingerprint in rows}


def test_the_same_question_under_another_key_gets_the_whole_answer(sessions: Sessions) -> None:
    keep(sessions, GenerationResult(REQUEST, ANSWER, 1))
    again, twin = replace(REQUEST, key="other"), replace(REQUEST, key="twin")
    assert found(sessions, again, twin) == {"other": ANSWER, "twin": ANSWER}


@pytest.mark.parametrize(
    "change",
    [
        {"target": "gemini-2.5-pro"},
        {"location": "global"},
        {"contents": (Turn("user", "Is it good"),)},
        {"contents": (Turn("user", "Is it good?"), Turn("model", ""))},
        {"temperature": 0.5},
        {"max_output_tokens": 7},
        {"seed": 8},
        {"seed": None},
        {"settings": NO_SETTINGS},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint_of(replace(REQUEST, **change)) != fingerprint_of(REQUEST)


def test_a_fingerprint_is_the_same_forever() -> None:
    lone_surrogate = replace(REQUEST, contents=(Turn("user", "\ud800"),))
    assert len(fingerprint_of(lone_surrogate)) == 64
    assert fingerprint_of(REQUEST) == (
        "686c714d392839a0a09b186232e7f4e681c5ac8f05b5ee7ad8cb63d8077ec9dd"
    )


def test_only_answers_of_the_model_are_kept(sessions: Sessions) -> None:
    requests = numbered(len(Outcome))
    kept = {Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED}
    answers = [
        GenerationResult(request, Generation(outcome, text="a", finish_reason="SAFETY"), 1)
        for request, outcome in zip(requests, Outcome, strict=True)
    ]
    keep(sessions, *answers)
    assert {each.outcome for each in found(sessions, *requests).values()} == kept
    assert len(found(sessions, *requests)) == len(kept)


@pytest.mark.parametrize("reason", ["", "OTHER"])
def test_a_refusal_that_names_no_rule_is_asked_again(sessions: Sessions, reason: str) -> None:
    refused = Generation(Outcome.REFUSED, finish_reason=reason)
    keep(sessions, GenerationResult(REQUEST, refused, 1))
    assert found(sessions, REQUEST) == {}


def test_empty_answers_that_an_earlier_version_kept_are_asked_again(sessions: Sessions) -> None:
    keep(sessions, GenerationResult(REQUEST, Generation(Outcome.OK, finish_reason="STOP"), 1))
    assert found(sessions, REQUEST) == {}


def test_projects_see_their_own_answers_and_all_where_they_are_shared(sessions: Sessions) -> None:
    keep(sessions, GenerationResult(REQUEST, ANSWER, 1))
    theirs = CacheRules(days=30, shared=False, emulated=False).scope("proj_b")
    assert found(sessions, REQUEST, scope=theirs) == {}
    shared = CacheRules(days=30, shared=True, emulated=False)
    assert shared.scope("proj_a") == shared.scope("proj_b") != OURS


def test_what_an_emulator_said_is_not_what_gemini_says() -> None:
    for shared in (True, False):
        gemini, emulator = (
            CacheRules(days=1, shared=shared, emulated=emulated) for emulated in (False, True)
        )
        assert gemini.scope("proj_a") != emulator.scope("proj_a")


def test_an_answer_expires_and_the_next_one_takes_its_place(sessions: Sessions) -> None:
    rules = CacheRules(days=0.5, shared=False, emulated=False)
    until = rules.until(NOW)
    assert until - NOW == timedelta(hours=12)
    keep(sessions, GenerationResult(REQUEST, ANSWER, 1), until=until)
    assert found(sessions, REQUEST, now=until - timedelta(seconds=1))
    assert found(sessions, REQUEST, now=until) == {}
    keep(sessions, GenerationResult(REQUEST, replace(ANSWER, text="no"), 1), until=LATER)
    assert found(sessions, REQUEST, now=until)["row-1"].text == "no"


def test_what_has_expired_is_purged_a_thousand_at_a_time(sessions: Sessions) -> None:
    requests = numbered(2500)
    old, fresh = requests[:2200], requests[2200:]
    keep(sessions, *(GenerationResult(request, ANSWER, 1) for request in old), until=NOW)
    keep(sessions, *(GenerationResult(request, ANSWER, 1) for request in fresh))
    early = NOW - timedelta(hours=1)
    assert len(found(sessions, *requests, now=early)) == len(requests)
    assert purge_cache(NOW + timedelta(seconds=1), sessions=sessions) == len(old)
    assert set(found(sessions, *requests, now=early)) == {request.key for request in fresh}
    assert purge_cache(NOW, sessions=sessions) == 0


def test_a_purge_waits_for_no_answer_that_is_just_being_replaced(postgres: PostgresServer) -> None:
    old = [GenerationResult(request, ANSWER, 1) for request in numbered(3)]
    with postgres.database() as url, closing(open_sessions(url)) as sessions:
        keep(sessions, *old, until=NOW)
        with sessions.transaction() as session:
            cache_results(
                session, old[:1], evaluation_id=EVALUATION, scope=OURS, now=NOW, until=LATER
            )
            assert purge_cache(NOW + timedelta(seconds=1), sessions=sessions) == 2
        assert found(sessions, *(each.request for each in old)).keys() == {"row-0"}
