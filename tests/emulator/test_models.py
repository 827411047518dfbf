"""Models and endpoints through Google's clients: get, list, undeploy, delete."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.emulator.clients import genai_client, rest_client
from tests.emulator.examples import ask, create, finish, labelled, order, upload
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

PARENT = "projects/lab/locations/us-central1"
PROMPT = "note 3: a splendid and happy day"


@pytest.fixture(scope="module")
def v1() -> Any:
    from google.cloud import aiplatform_v1

    return aiplatform_v1


@pytest.fixture(scope="module")
def models(emulator: EmulatorProcess, v1: Any) -> Iterator[Any]:
    client = rest_client(emulator, v1.ModelServiceClient)
    yield client
    client.transport.close()


@pytest.fixture(scope="module")
def endpoints(emulator: EmulatorProcess, v1: Any) -> Iterator[Any]:
    client = rest_client(emulator, v1.EndpointServiceClient)
    yield client
    client.transport.close()


@pytest.fixture(scope="module")
def uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, labelled(good="GOOD", bad="BAD"), name="models.jsonl")


def tuned(emulator: EmulatorProcess, uri: str, **fields: Any) -> dict[str, Any]:
    return finish(emulator, create(emulator, order(uri) | fields)["name"])


@pytest.fixture(scope="module")
def kept(emulator: EmulatorProcess, uri: str) -> dict[str, Any]:
    return tuned(emulator, uri, tunedModelDisplayName="kept", labels={"team": "one"})


@pytest.fixture(scope="module")
def other(emulator: EmulatorProcess, uri: str) -> dict[str, Any]:
    return tuned(emulator, uri, tunedModelDisplayName="other")


def test_the_gen_ai_client_lists_tuned_models(
    emulator: EmulatorProcess, kept: dict[str, Any]
) -> None:
    client = genai_client(emulator, location="us-central1")
    names = [model.name for model in client.models.list(config={"query_base": False})]
    found = client.models.get(model=kept["tunedModel"]["model"])
    client.close()
    assert kept["tunedModel"]["model"].partition("@")[0] in names
    assert (found.display_name, found.version) == ("kept", "1")


def test_a_tuning_leaves_a_model_and_an_endpoint(
    models: Any, endpoints: Any, kept: dict[str, Any]
) -> None:
    model = models.get_model(name=kept["tunedModel"]["model"], timeout=300)
    assert model.display_name == "kept"
    assert dict(model.labels) == {"team": "one", "tune-type": "sft"}
    assert f"{model.name}@{model.version_id}" == kept["tunedModel"]["model"]
    endpoint = endpoints.get_endpoint(name=kept["tunedModel"]["endpoint"], timeout=300)
    (deployed,) = endpoint.deployed_models
    assert deployed.model == model.name
    assert endpoint.traffic_split == {deployed.id: 100}
    assert endpoint.name in {reference.endpoint for reference in model.deployed_models}


def test_lists_are_filtered_and_paged(
    models: Any, endpoints: Any, v1: Any, kept: dict[str, Any], other: dict[str, Any]
) -> None:
    request = v1.ListModelsRequest(parent=PARENT, page_size=1)
    names = [model.name for model in models.list_models(request=request, timeout=300)]
    assert [f"{name}@1" for name in names] == [job["tunedModel"]["model"] for job in (other, kept)]
    for expression in ('labels.team="one"', 'display_name="kept"', "labels.team:*"):
        wanted = v1.ListModelsRequest(parent=PARENT, filter=expression)
        (model,) = models.list_models(request=wanted, timeout=300)
        assert model.display_name == "kept"
    found = v1.ListEndpointsRequest(parent=PARENT, filter='display_name="other"', page_size=1)
    assert {each.name for each in endpoints.list_endpoints(request=found, timeout=300)} >= {
        other["tunedModel"]["endpoint"]
    }
    with pytest.raises(BadRequest, match="filter"):
        models.list_models(
            request=v1.ListModelsRequest(parent=PARENT, filter="surely not"), timeout=300
        )
    assert list(models.list_models(parent="projects/none/locations/us-central1", timeout=300)) == []


def test_the_checkpoints_are_those_of_the_job(models: Any, kept: dict[str, Any]) -> None:
    name = kept["tunedModel"]["model"].partition("@")[0]
    listed = list(models.list_model_version_checkpoints(name=name, timeout=300))
    assert [(each.checkpoint_id, str(each.epoch), str(each.step)) for each in listed] == [
        (each["checkpointId"], each["epoch"], each["step"])
        for each in kept["tunedModel"]["checkpoints"]
    ]


def test_a_model_goes_only_after_its_endpoints(
    emulator: EmulatorProcess, models: Any, endpoints: Any, uri: str
) -> None:
    job = tuned(emulator, uri)["tunedModel"]
    model_name, main = job["model"].partition("@")[0], job["endpoint"]
    assert ask(emulator, main, PROMPT) == "GOOD"
    with pytest.raises(BadRequest):
        models.delete_model(name=model_name, timeout=300)
    for name in {checkpoint["endpoint"] for checkpoint in job["checkpoints"]}:
        with pytest.raises(BadRequest, match="deployed"):
            endpoints.delete_endpoint(name=name, timeout=300)
        (deployed,) = endpoints.get_endpoint(name=name, timeout=300).deployed_models
        endpoints.undeploy_model(endpoint=name, deployed_model_id=deployed.id, timeout=300).result(
            timeout=300
        )
        assert _status(emulator, name) == 400
        endpoints.delete_endpoint(name=name, timeout=300).result(timeout=300)
        assert _status(emulator, name) == 404
    models.delete_model(name=model_name, timeout=300).result(timeout=300)
    with pytest.raises(NotFound):
        models.get_model(name=model_name, timeout=300)
    with pytest.raises(NotFound):
        endpoints.get_endpoint(name=main, timeout=300)


def _status(emulator: EmulatorProcess, endpoint: str) -> int:
    body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    url = f"{emulator.url}/v1/{endpoint}:generateContent"
    return plain_http.post(url, json=body, timeout=300).status_code


def test_what_is_not_there_is_not_found(models: Any, endpoints: Any, kept: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        models.get_model(name=f"{PARENT}/models/1", timeout=300)
    with pytest.raises(NotFound):
        models.get_model(name=kept["tunedModel"]["model"].replace("@1", "@2"), timeout=300)
    elsewhere = kept["tunedModel"]["endpoint"].replace("us-central1", "us")
    with pytest.raises(NotFound):
        endpoints.get_endpoint(name=elsewhere, timeout=300)
    with pytest.raises(NotFound):
        endpoints.undeploy_model(
            endpoint=kept["tunedModel"]["endpoint"], deployed_model_id="1", timeout=300
        )
