"""The table of base models, seen from outside: where each answers, and what it ignores."""

from typing import Any

import httpx2
import pytest

from emulator.catalogue import MODELS
from tests.emulator.examples import create, finish, labelled, order, upload
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

THIRD_GENERATION = ("gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3.5-flash-lite")
MULTI_REGIONS = ("global", "us", "eu")
REGIONS = ("us-central1", "europe-west4")
PROMPT = "Classify the sentiment as positive, negative or neutral.\n\nText: a fine, sad, happy day"


def ask(
    emulator: EmulatorProcess,
    model: str,
    *,
    location: str,
    verb: str = "generateContent",
    **config: Any,
) -> httpx2.Response:
    path = f"/v1/projects/lab/locations/{location}/publishers/google/models/{model}:{verb}"
    contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
    body = {"contents": contents} | ({"generationConfig": config} if config else {})
    return plain_http.post(f"{emulator.url}{path}", json=body, timeout=300)


def answers(emulator: EmulatorProcess, model: str, **config: Any) -> set[str]:
    sent = [ask(emulator, model, location="us", **config).json() for _ in range(30)]
    return {each["candidates"][0]["content"]["parts"][0]["text"] for each in sent}


@pytest.mark.parametrize("model", THIRD_GENERATION)
@pytest.mark.parametrize("verb", ["generateContent", "countTokens"])
def test_a_third_generation_base_answers_at_the_multi_regions_only(
    emulator: EmulatorProcess, model: str, verb: str
) -> None:
    codes = {
        location: ask(emulator, model, location=location, verb=verb).status_code
        for location in (*MULTI_REGIONS, *REGIONS)
    }

    assert codes == dict.fromkeys(MULTI_REGIONS, 200) | dict.fromkeys(REGIONS, 404)
    error = ask(emulator, model, location="us-central1", verb=verb).json()["error"]
    assert error["status"] == "NOT_FOUND"
    assert "was not found or your project does not have access to it" in error["message"]


def test_the_retired_family_still_answers_everywhere_and_is_marked(
    emulator: EmulatorProcess,
) -> None:
    retired = {name for name, model in MODELS.items() if model.retired}

    assert retired == {"gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"}
    for name in retired:
        for location in ("global", *REGIONS):
            assert ask(emulator, name, location=location).is_success


def test_a_model_that_is_not_in_the_table_is_not_found(emulator: EmulatorProcess) -> None:
    assert ask(emulator, "gemini-9", location="global").status_code == 404
    assert ask(emulator, "gemini-3.5-flash@default", location="global").is_success


def test_a_batch_of_a_third_generation_base_runs_at_the_multi_regions_only(
    emulator: EmulatorProcess,
) -> None:
    source = {"gcsSource": {"uris": ["gs://data/none.jsonl"]}, "instancesFormat": "jsonl"}
    prefix = {"gcsDestination": {"outputUriPrefix": "gs://data/out"}, "predictionsFormat": "jsonl"}
    body = {"displayName": "x", "model": "publishers/google/models/gemini-3.1-flash-lite"}
    body |= {"inputConfig": source, "outputConfig": prefix}  # type: ignore[dict-item]
    codes = {}
    for location in ("global", "us", "us-central1"):
        path = f"/v1/projects/lab/locations/{location}/batchPredictionJobs"
        codes[location] = plain_http.post(
            f"{emulator.url}{path}", json=body, timeout=300
        ).status_code

    assert codes == {"global": 200, "us": 200, "us-central1": 404}


@pytest.mark.parametrize("model", THIRD_GENERATION)
def test_a_third_generation_tuning_runs_in_two_regions_only(
    emulator: EmulatorProcess, model: str
) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="regions.jsonl")
    body = order(uri, model=model)
    for location in ("us-east1", "us", "global"):
        path = f"{emulator.url}/v1/projects/lab/locations/{location}/tuningJobs"
        response = plain_http.post(path, json=body, timeout=300)
        assert response.status_code == 400
        assert f"cannot be tuned in {location}" in response.json()["error"]["message"]


@pytest.mark.parametrize(("region", "place"), [("us-central1", "us"), ("europe-west4", "eu")])
def test_a_tuned_third_generation_model_is_named_and_called_at_its_multi_region(
    emulator: EmulatorProcess, region: str, place: str
) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="places.jsonl")
    job = create(emulator, order(uri, model="gemini-3.1-flash-lite"), location=region)
    endpoint = finish(emulator, job["name"])["tunedModel"]["endpoint"]
    body = {"contents": [{"role": "user", "parts": [{"text": "a splendid day"}]}]}
    codes = {
        location: plain_http.post(
            f"{emulator.url}/v1/{endpoint.replace(f'/{place}/', f'/{location}/')}:generateContent",
            json=body,
            timeout=300,
        ).status_code
        for location in (*MULTI_REGIONS, *REGIONS)
    }

    assert endpoint.split("/")[3] == place
    assert codes == dict.fromkeys((*MULTI_REGIONS, *REGIONS), 404) | {place: 200}


def test_one_model_ignores_the_sampling_that_others_honour(emulator: EmulatorProcess) -> None:
    assert len(answers(emulator, "gemini-3.5-flash", temperature=2, topP=1)) > 1
    assert len(answers(emulator, "gemini-3.5-flash-lite", temperature=2, topP=1)) == 1


@pytest.mark.parametrize("penalty", ["presencePenalty", "frequencyPenalty"])
def test_the_model_that_ignores_sampling_refuses_penalties(
    emulator: EmulatorProcess, penalty: str
) -> None:
    config: dict[str, Any] = {penalty: 1}
    refused = ask(emulator, "gemini-3.5-flash-lite", location="us", **config)

    assert refused.status_code == 400
    assert penalty in refused.json()["error"]["message"]
    assert ask(emulator, "gemini-3.5-flash", location="us", **config).is_success


def test_a_call_costs_more_at_a_location_other_than_global(emulator: EmulatorProcess) -> None:
    costs = []
    for location in ("global", "us"):
        emulator.reset()
        assert ask(emulator, "gemini-3.1-flash-lite", location=location).is_success
        costs.append(emulator.ledger()["generation_cost_usd"])

    assert costs[1] == pytest.approx(1.1 * costs[0])
    assert costs[0] > 0
