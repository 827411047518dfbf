"""Aliases of models: they move only to one that is not shown to be worse, and say why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.ids import Prefix
from service.model_registry.retirement import announce_retirements
from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.scored_models import ENDPOINT, ready_model, scored_evaluation, unlucky
from tests.api.server import PREPARE, Api, Caller, Json

BEST = "/v1/aliases/pii@best"


@pytest.fixture
def dataset(api: Api, caller: Caller) -> str:
    found: str = prepared_dataset(
        api, caller, test_size=60, source={**PREPARE["source"], "rows": 400}
    )["id"]
    return found


def put(caller: Caller, model: str, **more: Any) -> Any:
    return caller.request("PUT", BEST, json={"model": model, **more})


def history(caller: Caller) -> list[Json]:
    moves: list[Json] = caller.get(f"{BEST}/history").json()["data"]
    return moves


def test_an_alias_stands_for_a_model_wherever_an_id_is_taken(
    api: Api, caller: Caller, dataset: str
) -> None:
    model = ready_model(api, caller, dataset)

    for _ in range(2):  # a second call changes nothing
        assert put(caller, model).json()["model"] == model

    assert caller.get(BEST).json()["model"] == model
    assert [each["name"] for each in caller.get("/v1/aliases").json()["data"]] == ["pii@best"]
    assert [(move["model"], move["previous"]) for move in history(caller)] == [(model, None)]
    assert caller.get("/v1/models/pii@best").json()["id"] == model
    spec = {"dataset": dataset, "variant": "tuned", "model": "pii@best"}
    assert caller.submit("evaluate", spec)["spec"]["model"] == model
    further = {"dataset": dataset, "train_size": 40, "continue_from": {"model": "pii@best"}}
    assert caller.submit("tune", further)["spec"]["continue_from"]["model"] == model
    unknown = caller.post("/v1/jobs", {"kind": "evaluate", "spec": {**spec, "model": "pii@none"}})
    assert problem_of(unknown, 404, "input_not_found")["errors"][0]["pointer"] == "/spec/model"


def test_it_does_not_move_to_a_worse_model_unless_forced(
    api: Api, caller: Caller, dataset: str
) -> None:
    good, bad = (ready_model(api, caller, dataset) for _ in range(2))
    scored_evaluation(api, caller, dataset, good, is_right=unlucky(0.1))
    scored_evaluation(api, caller, dataset, bad, is_right=unlucky(0.7))
    assert put(caller, good).status_code == 200

    refused = problem_of(put(caller, bad), 409, "alias_not_moved")["detail"]

    for word in ("pii@best", good, bad, "60 test rows", "95 % interval", "p = ", "force"):
        assert word in refused
    assert caller.get(BEST).json()["model"] == good
    assert put(caller, bad, force=True).json()["model"] == bad
    assert [move["forced"] for move in history(caller)] == [True, False]
    entries = caller.get("/v1/audit").json()["data"]
    targets = [entry["target"] for entry in entries if entry["action"] == "setAlias"]
    assert targets == [f"pii@best {bad} forced", f"pii@best {good}"]

    assert put(caller, good).status_code == 200  # and back: that one is better
    comparison = history(caller)[0]["comparison"]
    assert comparison["verdict"] == "not_shown_to_be_worse"
    assert comparison["difference"] > 0
    assert 0 < comparison["low"] < comparison["high"]
    assert comparison["rows"] == 60


def test_it_moves_to_a_model_that_is_not_shown_to_be_worse(
    api: Api, caller: Caller, dataset: str
) -> None:
    one, other = (ready_model(api, caller, dataset) for _ in range(2))
    for model, share in ((one, 0.30), (other, 0.31)):
        scored_evaluation(api, caller, dataset, model, is_right=unlucky(share))

    assert put(caller, one).status_code == 200
    assert put(caller, other).json()["model"] == other
    assert history(caller)[0]["comparison"]["verdict"] == "not_shown_to_be_worse"


def test_models_without_common_test_rows_do_not_compare(
    api: Api, caller: Caller, dataset: str
) -> None:
    one, other = (ready_model(api, caller, dataset) for _ in range(2))
    scored_evaluation(api, caller, dataset, one, is_right=unlucky(0.5))
    assert put(caller, one).status_code == 200

    refused = problem_of(put(caller, other), 409, "not_compared")["detail"]

    assert dataset in refused
    assert put(caller, other, force=True).status_code == 200
    assert history(caller)[0]["comparison"] is None


def test_a_model_that_has_an_alias_is_not_deleted_and_history_outlives_it(
    api: Api, caller: Caller, dataset: str
) -> None:
    model = ready_model(api, caller, dataset)
    assert put(caller, model).status_code == 200

    held = problem_of(caller.delete(f"/v1/models/{model}"), 409, "in_use")["detail"]

    assert "pii@best" in held
    assert caller.delete(BEST).status_code == 204
    problem_of(caller.get(BEST), 404, "alias_not_found")
    assert [move["model"] for move in history(caller)] == [None, model]


def test_what_is_no_alias_or_no_ready_model_is_refused(
    api: Api, caller: Caller, dataset: str
) -> None:
    waiting = caller.submit("tune", {"dataset": dataset, "train_size": 20})["outputs"]["model"]
    missing = f"{Prefix.MODEL}_{'0' * 26}"

    problem_of(put(caller, waiting), 409, "not_ready")
    problem_of(put(caller, missing), 404, "model_not_found")
    model = ready_model(api, caller, dataset)
    for name in ("best", "PII@best", "pii@", "pii@best@more", "gemini-3.1-flash-lite@default"):
        answer = caller.request("PUT", f"/v1/aliases/{name}", json={"model": model})
        problem_of(answer, 422, "validation_failed")


def test_a_model_tells_where_it_came_from_and_what_googles_client_takes(
    api: Api, caller: Caller, dataset: str
) -> None:
    model = ready_model(api, caller, dataset)
    assert put(caller, model).status_code == 200

    found = caller.get(f"/v1/models/{model}").json()

    shown = caller.get(f"/v1/datasets/{dataset}").json()
    origin = found["lineage"]["dataset"]
    assert found["aliases"] == ["pii@best"]
    assert (origin["id"], origin["fingerprint"]) == (dataset, shown["fingerprint"])
    assert origin["training_sha256"] == shown["training_files"]["20"]["sha256"]
    assert found["lineage"]["base_model"]["retires"] == "2027-05-07"
    assert found["lineage"]["tuning_run"] is None  # no worker has sent one
    assert found["sdk"]["endpoint"] == ENDPOINT
    assert ENDPOINT in found["sdk"]["python"]
    retirement = found["retirement"]
    assert (retirement["retires"], retirement["due"]) == ("2027-05-07", False)
    assert "2027-05-07" in retirement["message"]


def test_a_retirement_is_announced_once(api: Api, caller: Caller, dataset: str) -> None:
    model = ready_model(api, caller, dataset)

    def announced(day: datetime) -> list[Json]:
        services = api.services
        announce_retirements(day, catalogue=services.catalogue, sessions=services.sessions)
        events = caller.get("/v1/events", params={"type": "model.*"}).json()["data"]
        return [event["data"] for event in events]

    assert announced(datetime(2027, 1, 1, tzinfo=UTC)) == []
    expected = {"model": model, "base_model": "gemini-3.1-flash-lite", "retires": "2027-05-07"}
    for day in (10, 11):
        (data,) = announced(datetime(2027, 3, day, tzinfo=UTC))
        assert data == expected | {"days_left": 58}
