"""Retention: each kind of data goes when its time is over, in the order of need."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from service.clock import utc_now
from service.database import Model
from service.erasure.retention import purge_outdated
from service.jobs.claims import claim_job, finish_job
from service.jobs.lifecycle import State
from service.settings import Settings
from tests.api.outputs import finished_evaluation, prepared_dataset
from tests.api.server import PREPARE, Api, Caller, Json

DAYS = ("file", "dataset", "model", "evaluation", "experiment", "job")


def with_days(api: Api, **days: float) -> Settings:
    return api.services.settings.model_copy(update={f"{k}_days": v for k, v in days.items()})


def age(api: Api, *, days: float = 100) -> None:
    """Make everything there is so many days older."""
    then = utc_now() - timedelta(days=days)
    with api.services.sessions.transaction() as session:
        for name in ("file", "dataset", "evaluation", "job"):
            table = Model.metadata.tables[name]
            session.execute(update(table).values(created_at=then))
        job = Model.metadata.tables["job"]
        ended = job.c.finished_at.is_not(None)
        session.execute(update(job).where(ended).values(finished_at=then))


def purge(api: Api, **days: float) -> int:
    return purge_outdated(with_days(api, **days), services=api.services.erasure)


def filled(api: Api, caller: Caller) -> dict[str, Any]:
    file_id = caller.upload(b"text,target\na,b\n").json()["id"]
    dataset = prepared_dataset(api, caller)
    evaluation = finished_evaluation(api, caller, dataset["id"])
    claimed = claim_job(
        caller.get(f"/v1/evaluations/{evaluation}").json()["job"],
        sessions=api.services.sessions,
        lease_seconds=60,
        attempts_limit=5,
    )
    assert claimed
    finish_job(claimed[0].id, State.SUCCEEDED, token=claimed[1], sessions=api.services.sessions)
    return {"files": file_id, "datasets": dataset["id"], "evaluations": evaluation}


def left(caller: Caller, made: Json) -> list[str]:
    return [kind for kind, each in made.items() if caller.get(f"/v1/{kind}/{each}").is_success]


def test_nothing_is_deleted_by_age_unless_a_setting_says_so(api: Api, caller: Caller) -> None:
    made = filled(api, caller)
    age(api)

    assert purge(api) == 0
    assert left(caller, made) == ["files", "datasets", "evaluations"]


def test_each_kind_goes_after_its_days_and_the_young_stay(api: Api, caller: Caller) -> None:
    made = filled(api, caller)
    age(api)
    young = caller.upload(b"text,target\na,b\n").json()["id"]

    assert purge(api, **dict.fromkeys(DAYS, 101)) == 0
    assert purge(api, **dict.fromkeys(DAYS, 99)) == 5  # with both jobs

    assert left(caller, made) == []
    assert left(caller, {"files": young}) == ["files"]
    assert api.services.store.keys_below("projects") == [
        key for key in api.services.store.keys_below("projects") if young in key
    ]
    assert caller.get("/v1/jobs").json()["data"] == []


def test_what_something_younger_needs_waits_for_it(api: Api, caller: Caller) -> None:
    made = filled(api, caller)
    age(api)

    assert purge(api, dataset=1, job=1) == 0
    assert left(caller, made) == ["files", "datasets", "evaluations"]
    assert purge(api, dataset=1, evaluation=1) == 2
    assert left(caller, made) == ["files"]


def test_what_a_job_is_still_to_read_stays(api: Api, caller: Caller) -> None:
    file_id = caller.upload(b"text,sentiment\na,b\n").json()["id"]
    source = {"type": "file", "file_id": file_id}
    caller.submit("prepare", {**PREPARE, "preset": "sentiment", "source": source})
    age(api)

    assert purge(api, **dict.fromkeys(DAYS, 1)) == 0
    assert left(caller, {"files": file_id}) == ["files"]


@pytest.mark.parametrize("settings", [{"dataset_days": 7, "audit_days": 30}], indirect=True)
def test_the_api_says_how_long_and_how_much_is_older(api: Api, caller: Caller) -> None:
    filled(api, caller)
    age(api)
    other = api.caller("other")

    rules = {each["data"]: each for each in caller.get("/v1/retention").json()["rules"]}

    assert rules["dataset"] == {
        "data": "dataset",
        "days": 7,
        "setting": "TUNECURVE_DATASET_DAYS",
        "overdue": 1,
    }
    assert (rules["file"]["days"], rules["file"]["overdue"]) == (None, None)
    assert (rules["audit"]["days"], rules["cache"]["days"]) == (30, 30)
    theirs = {each["data"]: each for each in other.get("/v1/retention").json()["rules"]}
    assert theirs["dataset"]["overdue"] == 0
    kept = {name for name in type(api.services.settings).model_fields if name.endswith("_days")}
    assert {each["setting"] for each in rules.values()} == {f"TUNECURVE_{n.upper()}" for n in kept}
