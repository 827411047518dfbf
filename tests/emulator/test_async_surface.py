"""Every part of the surface, and every error, through the asynchronous REST clients."""

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from google.api_core.exceptions import (
    InternalServerError,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from google.auth.exceptions import ResponseError, TimeoutError, TransportError  # noqa: A004
from google.cloud import aiplatform_v1 as v1
from google.protobuf.json_format import ParseError

from tests.emulator.clients import in_event_loop, rest_client
from tests.emulator.examples import create, finish, labelled, order, upload
from tests.support.emulator import EmulatorProcess

PARENT = "projects/lab/locations/us-central1"
FLASH = "projects/lab/locations/global/publishers/google/models/gemini-2.5-flash"
TEXT = "Mask personal data.\n\nText: " + "word " * 100
CONTENTS = [v1.Content(role="user", parts=[v1.Part(text=TEXT)])]


@pytest.fixture(scope="module")
def job(emulator: EmulatorProcess) -> dict[str, Any]:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="async.jsonl")
    return finish(emulator, create(emulator, order(uri))["name"])


@pytest.fixture(autouse=True)
def _defaults(emulator: EmulatorProcess) -> None:
    emulator.request("POST", "/_emulator/config", dict.fromkeys(RATES, 0) | {"hang_seconds": 5})
    emulator.configure(requests_per_minute=None)


def with_client(
    emulator: EmulatorProcess, client_type: Any, work: Callable[[Any], Awaitable[Any]]
) -> Any:
    async def run() -> Any:
        client = rest_client(emulator, client_type, transport="rest_asyncio")
        try:
            return await work(client)
        finally:
            await client.transport.close()

    return in_event_loop(run())


def test_models_answer_stream_and_count(emulator: EmulatorProcess, job: dict[str, Any]) -> None:
    endpoint = job["tunedModel"]["endpoint"]

    async def ask(client: Any) -> tuple[Any, ...]:
        whole = await client.generate_content(model=FLASH, contents=CONTENTS, timeout=300)
        request = v1.GenerateContentRequest(model=FLASH, contents=CONTENTS)
        stream = await client.stream_generate_content(request=request, timeout=300)
        tuned = await client.generate_content(model=endpoint, contents=CONTENTS, timeout=300)
        return whole, [piece async for piece in stream], tuned

    async def count(client: Any) -> list[int]:
        places = (FLASH, endpoint)
        requests = [v1.CountTokensRequest(endpoint=place, contents=CONTENTS) for place in places]
        counted = [await client.count_tokens(request=each, timeout=300) for each in requests]
        return [each.total_tokens for each in counted]

    whole, pieces, tuned = with_client(emulator, v1.PredictionServiceAsyncClient, ask)
    texts = [piece.candidates[0].content.parts[0].text for piece in pieces]
    assert len(texts) > 1
    assert "".join(texts) == whole.candidates[0].content.parts[0].text
    assert tuned.candidates[0].content.parts[0].text in {"GOOD", "BAD"}
    counts = with_client(emulator, v1.LlmUtilityServiceAsyncClient, count)
    assert counts == [whole.usage_metadata.prompt_token_count] * 2


def test_models_and_endpoints_are_read(emulator: EmulatorProcess, job: dict[str, Any]) -> None:
    tuned = job["tunedModel"]
    model = tuned["model"].partition("@")[0]

    async def read_model(client: Any) -> tuple[Any, ...]:
        found = await client.get_model(name=tuned["model"], timeout=300)
        listed = await client.list_models(parent=PARENT, timeout=300)
        epochs = await client.list_model_version_checkpoints(name=tuned["model"], timeout=300)
        versions = await client.list_model_versions(name=model, timeout=300)
        names = [each.name async for each in listed]
        return (
            *(found.name, names, [each.epoch async for each in epochs]),
            [each.version_id async for each in versions],
        )

    async def read_endpoint(client: Any) -> tuple[Any, list[str]]:
        found = await client.get_endpoint(name=tuned["endpoint"], timeout=300)
        with pytest.raises(NotFound):
            elsewhere = tuned["endpoint"].replace("us-central1", "us-east1")
            await client.get_endpoint(name=elsewhere, timeout=300)
        listed = await client.list_endpoints(parent=PARENT, timeout=300)
        return found, [each.name async for each in listed]

    name, names, epochs, versions = with_client(emulator, v1.ModelServiceAsyncClient, read_model)
    assert (name, epochs, versions) == (model, [1, 2], ["1"])
    assert model in names
    found, endpoints = with_client(emulator, v1.EndpointServiceAsyncClient, read_endpoint)
    assert found.deployed_models[0].model == model
    assert {each["endpoint"] for each in tuned["checkpoints"]} <= set(endpoints)


def test_curves_are_read(emulator: EmulatorProcess, job: dict[str, Any]) -> None:
    async def experiment(client: Any) -> Any:
        return await client.get_context(name=job["experiment"], timeout=300)

    found = with_client(emulator, v1.MetadataServiceAsyncClient, experiment)
    board = found.metadata["backing_tensorboard_resource"]
    run = f"{board}/experiments/{found.name.rpartition('/')[2]}/runs/run"

    async def curves(client: Any) -> Any:
        listed = await client.list_tensorboard_time_series(parent=run, timeout=300)
        request = v1.BatchReadTensorboardTimeSeriesDataRequest(
            tensorboard=board, time_series=[each.name async for each in listed]
        )
        return await client.batch_read_tensorboard_time_series_data(request=request, timeout=300)

    data = with_client(emulator, v1.TensorboardServiceAsyncClient, curves).time_series_data
    assert [len(each.values) for each in data] == [2, 2, 2]


def test_batches_and_evaluations_run(emulator: EmulatorProcess) -> None:
    uri = upload(
        emulator,
        '{"request": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}}',
        name="async-batch.jsonl",
    )
    order_ = v1.BatchPredictionJob(
        display_name="async",
        model="publishers/google/models/gemini-2.5-flash",
        input_config={"instances_format": "jsonl", "gcs_source": {"uris": [uri]}},
        output_config={
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": "gs://data/async"},
        },
    )

    async def run(client: Any) -> tuple[str, list[str]]:
        made = await client.create_batch_prediction_job(
            parent=PARENT, batch_prediction_job=order_, timeout=300
        )
        await client.get_batch_prediction_job(name=made.name, timeout=300)
        listed = await client.list_batch_prediction_jobs(parent=PARENT, timeout=300)
        await client.cancel_batch_prediction_job(name=made.name, timeout=300)
        return made.name, [each.name async for each in listed]

    async def evaluate(client: Any) -> Any:
        pair = {"prediction": "a", "reference": "a"}
        metric = {"metric_spec": {}, "instances": [pair]}
        request = {"location": PARENT, "exact_match_input": metric}
        return await client.evaluate_instances(request=request, timeout=300)

    name, names = with_client(emulator, v1.JobServiceAsyncClient, run)
    assert name in names
    answer = with_client(emulator, v1.EvaluationServiceAsyncClient, evaluate)
    assert answer.exact_match_results.exact_match_metric_values[0].score == 1


FAULTS: list[tuple[str, type[Exception], type[Exception]]] = [
    ("error_500_rate", InternalServerError, InternalServerError),
    ("error_503_rate", ServiceUnavailable, ServiceUnavailable),
    ("drop_before_rate", TransportError, TransportError),
    ("drop_after_rate", TransportError, TransportError),
    ("truncate_rate", aiohttp.ClientPayloadError, ResponseError),
    ("malformed_body_rate", ParseError, ValueError),
    ("hang_rate", TimeoutError, TimeoutError),
]
RATES = [name for name, _, _ in FAULTS]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(("rate", "whole", "stream"), FAULTS)
def test_faults_are_the_exceptions_of_this_client(
    emulator: EmulatorProcess, rate: str, whole: type[Exception], stream: type[Exception]
) -> None:
    seconds = 0.5 if rate == "hang_rate" else 30

    async def ask(client: Any) -> None:
        with pytest.raises(whole):
            await client.generate_content(model=FLASH, contents=CONTENTS, timeout=seconds)
        request = v1.GenerateContentRequest(model=FLASH, contents=CONTENTS)
        with pytest.raises(stream):
            pieces = await client.stream_generate_content(request=request, timeout=seconds)
            _ = [piece async for piece in pieces]

    emulator.configure(**{rate: 1})
    with_client(emulator, v1.PredictionServiceAsyncClient, ask)
    gc.collect()  # a connection that the client leaves open warns here, not in a later test


def test_a_quota_refuses_with_429(emulator: EmulatorProcess) -> None:
    async def ask(client: Any) -> None:
        await client.generate_content(model=FLASH, contents=CONTENTS, timeout=300)
        with pytest.raises(TooManyRequests, match="Resource exhausted"):
            await client.generate_content(model=FLASH, contents=CONTENTS, timeout=300)

    emulator.configure(requests_per_minute=0.001)
    with_client(emulator, v1.PredictionServiceAsyncClient, ask)
