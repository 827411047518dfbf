"""The catalogue over HTTP and in the command, and base models that are refused."""

import json
from typing import Any

import pytest

from service.catalogue.entry import ModelEntry
from service.tuning.models import TunedModel
from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller
from tunecurve.cli import run
from tunecurve.errors import ExitCode

LITE = "gemini-3.1-flash-lite"
KINDS: dict[str, dict[str, Any]] = {
    "tune": {"train_size": PREPARE["train_sizes"][0]},
    "evaluate": {"variant": "zero_shot"},
    "experiment": {},
}
OUTPUTS = {"tune": "model", "evaluate": "evaluation", "experiment": "experiment"}


def body_of(kind: str, dataset: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "spec": {"dataset": dataset, **KINDS[kind], **spec}}


def test_the_catalogue_is_shown_with_where_models_are_called(caller: Caller) -> None:
    reported = caller.get("/v1/models/catalogue").json()
    models = {each["name"]: each for each in reported["data"]}

    assert reported["tuning_location"] == "us-central1"
    assert reported["default"] == {"base_model": LITE, "warnings": []}
    assert (models[LITE]["serving_location"], models[LITE]["tuned_location"]) == ("us", "us")
    assert models[LITE]["prices"]["input"] == "0.25"
    assert models["gemini-2.5-flash"]["lifecycle"]["state"] == "retired"
    groups = set(ModelEntry.model_fields) - {"name", "family", "line", "listed"}
    assert all(each[group]["as_of"] for each in reported["data"] for group in groups if each[group])


def test_the_command_shows_the_catalogue_as_table_and_as_json(
    api: Api, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    access = ["--url", api.url, "--key", caller.secret]

    assert run(["catalogue", *access]) == ExitCode.OK
    printed = capsys.readouterr()
    line = next(line for line in printed.out.splitlines() if line.startswith(LITE))
    assert line.split()[1:3] == ["tunable", "2027-05-07"]
    assert f"Default: {LITE}" in printed.err
    assert run(["catalogue", "--json", *access]) == ExitCode.OK
    out = capsys.readouterr().out  # the server of the test logs there, too
    assert json.loads(out[out.index("{\n") :]) == caller.get("/v1/models/catalogue").json()


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    ("name", "code"),
    [("gemini-2.5-flash", "base_model_retired"), ("gemini-9", "base_model_unknown")],
)
def test_a_model_that_is_retired_or_unknown_is_refused_in_the_dry_run_too(
    api: Api, caller: Caller, kind: str, name: str, code: str
) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    body = body_of(kind, dataset, base_model=name)

    for path in ("/v1/jobs", "/v1/jobs?dry_run=true"):
        problem = problem_of(caller.post(path, body), 422, code)
        assert problem["errors"][0]["pointer"] == "/spec/base_model"
        assert f"{LITE}, gemini-3.5-flash" in problem["detail"]
        assert "allow_unlisted_model" in problem["detail"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_model_that_is_not_listed_is_used_where_the_job_allows_it_and_results_say_so(
    api: Api, caller: Caller, kind: str
) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    body = body_of(kind, dataset, base_model="gemini-2.5-flash", allow_unlisted_model=True)
    output = OUTPUTS[kind]

    job = caller.post("/v1/jobs", body)
    listed = caller.post("/v1/jobs", body_of(kind, dataset, allow_unlisted_model=True))

    assert job.status_code == listed.status_code == 202
    for answer, stamp in ((job, True), (listed, False)):
        made = answer.json()["outputs"][output]
        assert caller.get(f"/v1/{output}s/{made}").json()["unlisted_model"] is stamp


def test_a_tuned_model_of_a_retired_base_is_evaluated_only_where_the_job_allows_it(
    api: Api, caller: Caller
) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    tune = body_of("tune", dataset, base_model="gemini-2.5-flash", allow_unlisted_model=True)
    model = caller.post("/v1/jobs", tune).json()["outputs"]["model"]
    with api.services.sessions.transaction() as session:
        row = session.get_one(TunedModel, model)
        row.endpoint, row.location = "projects/1/locations/us-central1/endpoints/2", "us-central1"
        row.ready_at = row.created_at
    body = body_of("evaluate", dataset, variant="tuned", model=model)

    problem = problem_of(caller.post("/v1/jobs", body), 422, "base_model_retired")
    assert problem["errors"][0]["pointer"] == "/spec/model"
    body["spec"]["allow_unlisted_model"] = True
    assert caller.post("/v1/jobs", body).status_code == 202
