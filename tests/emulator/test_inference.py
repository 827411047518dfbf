"""Google's Gen AI client against publisher models, and what the protocol promises beside it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.emulator.examples import create, finish, labelled, order, upload
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

MODELS = "/v1/projects/lab/locations/global/publishers/google/models"
FLASH = f"{MODELS}/gemini-2.5-flash"
PROMPT = "Classify the text as positive or negative.\n\nText: a wonderful and happy day"
EXHAUSTED = (
    "Resource exhausted. Please try again later. Please refer to "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
)


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    from google.genai import Client, types
    from google.oauth2.credentials import Credentials

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
            patch.delenv(name, raising=False)
        options = types.HttpOptions(base_url=emulator.url, api_version="v1", timeout=30_000)
        client = Client(
            enterprise=True,
            project="lab",
            location="global",
            credentials=Credentials(token="emulator"),  # type: ignore[no-untyped-call]
            http_options=options,
        )
        yield client
        client.close()


@pytest.fixture(autouse=True)
def _defaults(emulator: EmulatorProcess) -> None:
    emulator.configure(requests_per_minute=None, latency_seconds=0, burst_seconds=1)


def body(text: str = PROMPT, **config: Any) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return {"contents": contents, "generationConfig": config}


def post(emulator: EmulatorProcess, path: str, document: Any) -> httpx2.Response:
    return plain_http.post(f"{emulator.url}{path}:generateContent", json=document, timeout=300)


def test_a_response_schema_decides_what_an_answer_may_be(genai: Any) -> None:
    def ask(text: str, **config: Any) -> str:
        config |= {"temperature": 0}
        answer = genai.models.generate_content(
            model="gemini-2.5-flash", contents=text, config=config
        )
        return str(answer.text)

    labels = {"type": "STRING", "enum": ["good", "bad"]}
    people = {"type": "OBJECT", "properties": {"people": {"type": "INTEGER"}}}

    label = ask(
        "Sort.\n\nText: a bad day", response_mime_type="text/x.enum", response_schema=labels
    )
    record = ask(
        "Read.\n\nText: a table for 4 people",
        response_mime_type="application/json",
        response_schema=people,
    )

    assert label == "bad"
    assert json.loads(record) == {"people": 4}


@pytest.mark.parametrize(
    "config",
    [
        {"responseSchema": {"type": "STRING"}},
        {"responseSchema": {"type": "STRING"}, "responseMimeType": "text/x.enum"},
    ],
)
def test_a_response_schema_that_fits_no_type_is_refused(
    emulator: EmulatorProcess, config: dict[str, Any]
) -> None:
    assert post(emulator, FLASH, body(**config)).status_code == 400


def test_a_publisher_model_answers_by_its_rules(genai: Any) -> None:
    answer = genai.models.generate_content(model="gemini-2.5-flash", contents=PROMPT)
    assert answer.text == "positive"
    assert answer.model_version == "gemini-2.5-flash"
    assert answer.candidates[0].finish_reason.name == "STOP"
    usage = answer.usage_metadata
    assert usage.prompt_token_count == -(-len(PROMPT) // 4)
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert answer.sdk_http_response.headers["x-tunecurve-emulator"] == "synthetic"


def test_a_tuned_endpoint_answers_through_the_same_client(
    emulator: EmulatorProcess, genai: Any
) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="inference.jsonl")
    endpoint = finish(emulator, create(emulator, order(uri))["name"])["tunedModel"]["endpoint"]
    text = "note 3: a dreadful and sorry day"
    assert genai.models.generate_content(model=endpoint, contents=text).text == "BAD"
    assert genai.models.count_tokens(model=endpoint, contents=text).total_tokens == 8


def test_tokens_are_counted_and_not_billed(emulator: EmulatorProcess, genai: Any) -> None:
    before = emulator.ledger()["calls_received"]
    counted = genai.models.count_tokens(model="gemini-2.5-flash", contents="12345678")
    assert counted.total_tokens == 2
    assert emulator.ledger()["calls_received"] == before


def test_an_answer_over_the_token_limit_is_cut(emulator: EmulatorProcess) -> None:
    answer = post(emulator, FLASH, body(maxOutputTokens=1)).json()
    candidate = answer["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert candidate["content"]["parts"] == [{"text": "posi"}]
    assert answer["usageMetadata"]["candidatesTokenCount"] == 1


def test_an_answer_ends_before_a_stop_sequence(emulator: EmulatorProcess) -> None:
    candidate = post(emulator, FLASH, body(stopSequences=["xx", "tive"])).json()["candidates"][0]
    assert candidate["content"]["parts"] == [{"text": "posi"}]
    assert candidate["finishReason"] == "STOP"


def test_an_empty_answer_has_neither_parts_nor_a_token_count(emulator: EmulatorProcess) -> None:
    answer = post(emulator, FLASH, body(stopSequences=["positive"])).json()
    assert answer["candidates"][0]["content"] == {"role": "model"}
    assert "candidatesTokenCount" not in answer["usageMetadata"]


def test_single_objects_pass_where_google_takes_them_for_lists(emulator: EmulatorProcess) -> None:
    document = {"contents": {"role": "user", "parts": {"text": PROMPT}}}
    assert post(emulator, FLASH, document).status_code == 200


def test_fields_newer_than_the_published_types_pass(emulator: EmulatorProcess) -> None:
    thinking = {"thinkingBudget": 0}
    document = body(thinkingConfig=thinking, enableAffectiveDialog=False)
    document |= {"labels": {"job": "1"}, "serviceTier": "standard"}
    assert post(emulator, FLASH, document).status_code == 200


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"prompt": "x"}, 'Unknown name "prompt": Cannot find field.'),
        ({"contents": [{"role": "user", "part": []}]}, "Unknown name \"part\" at 'contents[0]'"),
        (body(temperatur=1), "Unknown name \"temperatur\" at 'generation_config'"),
        (body(temperature="warm"), "Invalid value at 'generation_config.temperature'"),
        (body(temperature=2.5), "temperature value of 2.5"),
        (body(maxOutputTokens=-1), "maxOutputTokens value of -1"),
        (body(topP=1.5), "topP value of 1.5"),
        (body(topK=0), "topK value of 0"),
        (body(frequencyPenalty=-3), "frequencyPenalty value of -3"),
        (body(thinkingConfig={"thinkingLevel": 77}), "thinking_config.thinking_level"),
        ({}, "at least one contents field is required"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        (
            {"contents": [{"parts": [{"fileData": {"mimeType": "a/b", "fileUri": "gs://x"}}]}]},
            "text parts only",
        ),
    ],
)
def test_a_request_google_would_refuse_is_refused(
    emulator: EmulatorProcess, document: dict[str, Any], message: str
) -> None:
    response = post(emulator, FLASH, document)
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"contents": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(
    emulator: EmulatorProcess, content: bytes
) -> None:
    response = plain_http.post(
        f"{emulator.url}{FLASH}:generateContent", content=content, timeout=300
    )
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("Invalid JSON payload received.")


@pytest.mark.parametrize(
    "path",
    [
        f"{MODELS}/llama-3",
        FLASH.replace("/google/", "/meta/"),
        "/v1/projects/lab/locations/us-central1/endpoints/123",
    ],
)
def test_an_unknown_model_or_endpoint_is_not_found(emulator: EmulatorProcess, path: str) -> None:
    response = post(emulator, path, body())
    assert response.status_code == 404
    assert response.json()["error"]["status"] == "NOT_FOUND"


def test_calls_beyond_the_quota_get_googles_429(emulator: EmulatorProcess) -> None:
    emulator.configure(requests_per_minute=60, burst_seconds=3)
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: post(emulator, FLASH, body()), range(8)))
    codes = sorted(response.status_code for response in responses)
    assert codes[:3] == [200, 200, 200]
    assert codes[-1] == 429
    refused = next(response for response in responses if response.status_code == 429)
    error = {"code": 429, "message": EXHAUSTED, "status": "RESOURCE_EXHAUSTED"}
    assert refused.json() == {"error": error}
    other = post(emulator, f"{MODELS}/gemini-2.5-pro", body())
    assert other.status_code == 200


def test_a_call_takes_the_latency_it_was_given(emulator: EmulatorProcess) -> None:
    emulator.configure(latency_seconds=0.3)
    with ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(lambda _: post(emulator, FLASH, body()), range(6)))
    assert min(response.elapsed.total_seconds() for response in responses) >= 0.3
    assert emulator.ledger()["peak_in_flight"] >= 2
