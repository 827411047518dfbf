"""The same calls through every kind of Google's clients, and answers shaped like recorded ones."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.emulator.clients import genai_client, in_event_loop, rest_client
from tests.emulator.examples import labelled, preferred, upload
from tests.emulator.recordings import interactions, same_shape, whole_response
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually
from tests.support.newest_genai import FOLDER, newest_first

PINNED = (Path(__file__).parents[2] / "requirements/newest.in").read_text()
PARENT = "projects/lab/locations/us-central1"
FLASH = "projects/lab/locations/us-central1/publishers/google/models/gemini-2.5-flash"
PROMPT = "Classify the text as positive or negative.\n\nText: a wonderful and happy day"
ignore_subclass = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)
ignore_experiment = pytest.mark.filterwarnings("ignore:The SDK's tuning implementation")


@pytest.fixture(scope="module")
def v1() -> Any:
    from google.cloud import aiplatform_v1

    return aiplatform_v1


@pytest.fixture(scope="module")
def uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, labelled(good="GOOD", bad="BAD"), name="conformance.jsonl")


@pytest.fixture(scope="module")
def pairs_uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, preferred(good="GOOD", bad="BAD"), name="pairs.jsonl")


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator, location="us-central1", api_version="v1beta1")
    yield client
    client.close()


def tuning_job(v1: Any, uri: str, **fields: Any) -> Any:
    parameters = v1.SupervisedHyperParameters(epoch_count=1, adapter_size=6)
    spec = v1.SupervisedTuningSpec(training_dataset_uri=uri, hyper_parameters=parameters)
    return v1.TuningJob(base_model="gemini-2.5-flash", supervised_tuning_spec=spec, **fields)


def test_the_rest_client_sees_a_tuning_through(
    emulator: EmulatorProcess, v1: Any, uri: str
) -> None:
    client = rest_client(emulator, v1.GenAiTuningServiceClient)
    job = tuning_job(v1, uri, labels={"by": "rest"})
    made = client.create_tuning_job(parent=PARENT, tuning_job=job, timeout=300)
    done = eventually(lambda: _succeeded(client.get_tuning_job(name=made.name, timeout=300)))
    assert done.supervised_tuning_spec.hyper_parameters.adapter_size.name == "ADAPTER_SIZE_TWO"
    request = v1.ListTuningJobsRequest(parent=PARENT, filter='labels.by="rest"')
    assert [each.name for each in client.list_tuning_jobs(request=request, timeout=300)] == [
        made.name
    ]
    with pytest.raises(BadRequest):
        client.cancel_tuning_job(name=made.name, timeout=300)
    client.transport.close()


def _succeeded(job: Any) -> Any:
    return job if job.state.name == "JOB_STATE_SUCCEEDED" else None


@pytest.fixture
def pending(emulator: EmulatorProcess) -> Iterator[None]:
    """Keep tunings from starting, so that they are there to be cancelled on any machine."""
    emulator.configure(pending_seconds=3600)
    yield
    emulator.configure(pending_seconds=0)


@pytest.mark.usefixtures("pending")
def test_the_asynchronous_rest_client_does_the_same_calls(
    emulator: EmulatorProcess, v1: Any, uri: str
) -> None:
    async def work() -> tuple[Any, list[str], Any]:
        client = rest_client(emulator, v1.GenAiTuningServiceAsyncClient, transport="rest_asyncio")
        try:
            made = []
            for number in range(3):
                job = tuning_job(v1, uri, labels={"by": "asyncio", "n": str(number)})
                made.append(
                    await client.create_tuning_job(parent=PARENT, tuning_job=job, timeout=300)
                )
            await client.cancel_tuning_job(name=made[-1].name, timeout=300)
            found = await client.get_tuning_job(name=made[0].name, timeout=300)
            request = v1.ListTuningJobsRequest(
                parent=PARENT, filter='labels.by="asyncio"', page_size=2
            )
            pager = await client.list_tuning_jobs(request=request, timeout=300)
            names = [job.name async for job in pager]
            with pytest.raises(NotFound):
                await client.get_tuning_job(name=f"{PARENT}/tuningJobs/1", timeout=300)
            return found, [*names, *(job.name for job in made)], made[-1]
        finally:
            await client.transport.close()

    found, names, cancelled = in_event_loop(work())
    assert found.base_model == "gemini-2.5-flash"
    assert names[:3] == names[:2:-1]
    state = eventually(lambda: emulator.request("GET", f"/v1/{cancelled.name}").get("endTime"))
    assert state


def test_the_gen_ai_client_lists_base_models_and_computes_tokens(genai: Any) -> None:
    listed = [model.name for model in genai.models.list(config={"page_size": 2})]
    assert "publishers/google/models/gemini-3.1-flash-lite" in listed
    assert len(listed) == len(set(listed)) > 4

    computed = genai.models.compute_tokens(model="gemini-2.5-flash", contents=["a short", "b"])
    (info,) = computed.tokens_info
    assert b"".join(info.tokens) == b"a shortb"
    assert len(info.token_ids) == len(info.tokens)
    counted = genai.models.count_tokens(model="gemini-2.5-flash", contents="a short")
    assert counted.total_tokens == 2


def test_a_field_that_is_unknown_is_refused_by_its_name(emulator: EmulatorProcess) -> None:
    body = {"contents": [{"parts": [{"text": "a"}]}], "sampler": "mine"}
    for verb in ("generateContent", "countTokens", "computeTokens"):
        answer = plain_http.post(f"{emulator.url}/v1/{FLASH}:{verb}", json=body, timeout=300)
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert 'Unknown name "sampler": Cannot find field.' in answer.json()["error"]["message"]


@ignore_experiment
def test_the_gen_ai_client_tunes_lists_and_calls(
    genai: Any, emulator: EmulatorProcess, uri: str
) -> None:
    from google.genai import types

    config = types.CreateTuningJobConfig(epoch_count=1, tuned_model_display_name="by genai")
    dataset = types.TuningDataset(gcs_uri=uri)
    made = genai.tunings.tune(
        base_model="gemini-2.5-flash", training_dataset=dataset, config=config
    )
    done = eventually(lambda: _succeeded(genai.tunings.get(name=made.name)))
    assert done.name in [job.name for job in genai.tunings.list(config={"page_size": 1})]
    endpoint = done.tuned_model.endpoint
    text = "note 3: a dreadful and sorry day"
    assert genai.models.generate_content(model=endpoint, contents=text).text == "BAD"
    chunks = genai.models.generate_content_stream(model=endpoint, contents=text)
    assert "".join(chunk.text for chunk in chunks) == "BAD"
    assert genai.models.count_tokens(model=endpoint, contents=text).total_tokens == 8


@ignore_subclass
@ignore_experiment
@pytest.mark.usefixtures("pending")
def test_the_asynchronous_gen_ai_client_does_the_same_calls(
    emulator: EmulatorProcess, uri: str
) -> None:
    from google.genai import types
    from google.genai.errors import ClientError

    async def work() -> tuple[Any, ...]:
        client = genai_client(emulator, location="us-central1")
        try:
            dataset = types.TuningDataset(gcs_uri=uri)
            made = await client.aio.tunings.tune(
                base_model="gemini-2.5-flash",
                training_dataset=dataset,
                config=types.CreateTuningJobConfig(epoch_count=1),
            )
            found = await client.aio.tunings.get(name=made.name)
            await client.aio.tunings.cancel(name=made.name)
            listed = [job.name async for job in await client.aio.tunings.list()]
            answer = await client.aio.models.generate_content(
                model="gemini-2.5-flash", contents=PROMPT
            )
            counted = await client.aio.models.count_tokens(
                model="gemini-2.5-flash", contents=PROMPT
            )
            with pytest.raises(ClientError) as missing:
                await client.aio.models.generate_content(model="llama-3", contents=PROMPT)
            return made, found, listed, answer, counted, missing.value
        finally:
            await client.aio.aclose()
            client.close()

    made, found, listed, answer, counted, missing = in_event_loop(work())
    assert found.name == made.name
    assert made.name in listed
    assert answer.text == "positive"
    assert counted.total_tokens == answer.usage_metadata.prompt_token_count
    assert (missing.code, missing.status) == (404, "NOT_FOUND")


def _post(emulator: EmulatorProcess, method: str, document: Any) -> dict[str, Any]:
    response = plain_http.post(
        f"{emulator.url}/v1beta1/{FLASH}:{method}", json=document, timeout=300
    )
    body: dict[str, Any] = response.json()
    return body


def _texts(responses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the answers of plain text: neither thoughts nor tools nor searches."""
    return [
        response
        for response in responses
        if (candidates := response.get("candidates"))
        and "thoughtsTokenCount" not in response["usageMetadata"]
        and candidates[0]["content"].get("parts", [{}])[0].keys() == {"text"}
        and "groundingMetadata" not in candidates[0]
    ]


@pytest.mark.parametrize(
    "path", [(), ("candidates",), ("candidates", "content"), ("usageMetadata",)]
)
def test_an_answer_has_the_keys_and_types_of_recorded_ones(
    emulator: EmulatorProcess, path: tuple[str, ...]
) -> None:
    recorded = _texts([each["response_body"] for each in interactions("generateContent")])
    assert recorded
    contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
    ours = _at(_post(emulator, "generateContent", {"contents": contents}), path)
    theirs = [_at(response, path) for response in recorded]
    always = set.intersection(*(set(each) for each in theirs)) - {"avgLogprobs"}
    ever = set.union(*(set(each) for each in theirs))
    assert always <= ours.keys() <= ever
    for key in ours:
        sample = next(each[key] for each in theirs if key in each)
        assert type(ours[key]) is type(sample), key


def _at(response: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for step in path:
        value = response[step]
        response = value[0] if isinstance(value, list) else value
    return response


def test_a_count_has_the_shape_of_a_recorded_one(emulator: EmulatorProcess) -> None:
    (recorded,) = (each["response_body"] for each in interactions("countTokens"))
    contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
    ours = _post(emulator, "countTokens", {"contents": contents})
    assert recorded.keys() <= ours.keys()
    assert all(same_shape(ours[key], value) for key, value in recorded.items())


def test_a_refusal_has_the_shape_of_a_recorded_one(emulator: EmulatorProcess) -> None:
    (recorded,) = (each["response_body"] for each in interactions("generateContent", status=400))
    ours = _post(emulator, "generateContent", {"contents": []})
    assert same_shape(ours, recorded)


def test_blocked_answers_have_the_keys_and_types_of_recorded_ones(
    emulator: EmulatorProcess,
) -> None:
    document = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    emulator.configure(safety_rate=1)
    ours = _post(emulator, "generateContent", document)
    emulator.configure(safety_rate=0, prompt_block_rate=1)
    blocked = _post(emulator, "generateContent", document)
    emulator.configure(prompt_block_rate=0)

    recorded = whole_response("unary-failure-finish-reason-safety-no-content.json")
    assert same_shape(ours["candidates"], recorded["candidates"])
    theirs = {each["category"]: each.keys() for each in recorded["candidates"][0]["safetyRatings"]}
    assert {
        each["category"]: each.keys() for each in ours["candidates"][0]["safetyRatings"]
    } == theirs
    assert recorded["usageMetadata"].keys() <= ours["usageMetadata"].keys()
    feedback = whole_response("unary-failure-prompt-blocked-safety.json")["promptFeedback"]
    assert same_shape(blocked["promptFeedback"], feedback)
    assert "candidates" not in blocked


@pytest.mark.skipif(not FOLDER, reason="TUNECURVE_NEWEST_GENAI names no folder of google-genai")
def test_the_newest_gen_ai_client_does_the_same_calls(
    emulator: EmulatorProcess, uri: str, pairs_uri: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.emulator.newest_client", emulator.url, uri, pairs_uri],
        env=newest_first(),
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert (reported["answer"], reported["streamed"]) == ("BAD", "BAD")
    assert reported["version"] == PINNED.removeprefix("google-genai==").strip()
    assert reported["preferred"] == "BAD"
    assert reported["counted"] == reported["computed"] == 8
    assert reported["made"] in reported["tunings"]
    assert "publishers/google/models/gemini-3.1-flash-lite" in reported["models"]
