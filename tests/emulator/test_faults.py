"""Every fault that can be ordered, seen through Google's clients: the classes a user must catch."""

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx2
import pytest
import requests

from tests.emulator.clients import genai_client, in_event_loop, rest_client
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

MODEL = "gemini-2.5-flash"
FLASH = f"/v1/projects/lab/locations/global/publishers/google/models/{MODEL}"
# google-genai subclasses aiohttp's session, which aiohttp discourages.
AIOHTTP_WARNING = pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
NAME = f"projects/lab/locations/global/publishers/google/models/{MODEL}"


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator)
    yield client
    client.close()


@pytest.fixture(scope="module")
def gapic(emulator: EmulatorProcess) -> Iterator[Any]:
    from google.cloud import aiplatform_v1

    client = rest_client(emulator, aiplatform_v1.PredictionServiceClient)
    yield client
    client.transport.close()


@pytest.fixture(autouse=True)
def _fresh(emulator: EmulatorProcess) -> None:
    emulator.reset()


def body(text: str = "a happy day") -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def post(emulator: EmulatorProcess, text: str = "a happy day") -> httpx2.Response:
    return plain_http.post(f"{emulator.url}{FLASH}:generateContent", json=body(text), timeout=300)


def post_all(emulator: EmulatorProcess, texts: list[str]) -> list[httpx2.Response]:
    url = f"{emulator.url}{FLASH}:generateContent"
    with plain_http.Client(timeout=300) as client:
        return [client.post(url, json=body(text)) for text in texts]


def ask(genai: Any, **config: Any) -> Any:
    return genai.models.generate_content(model=MODEL, contents="a happy day", config=config)


def ask_gapic(client: Any, *, timeout: float = 30) -> Any:
    return client.generate_content(request={"model": NAME, **body()}, timeout=timeout)


async def ask_async(emulator: EmulatorProcess, *, timeout_ms: int = 30_000) -> Any:
    from google.genai import types

    client = genai_client(emulator).aio
    options = types.HttpOptions(timeout=timeout_ms)
    config = types.GenerateContentConfig(http_options=options)
    try:
        return await client.models.generate_content(
            model=MODEL, contents="a happy day", config=config
        )
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("settings", "code", "status", "genai_class", "gapic_class"),
    [
        ({"error_500_rate": 1}, 500, "INTERNAL", "ServerError", "InternalServerError"),
        ({"error_503_rate": 1}, 503, "UNAVAILABLE", "ServerError", "ServiceUnavailable"),
        ({"shared_requests_per_minute": 1}, 429, "RESOURCE_EXHAUSTED", "ClientError", None),
        ({"requests_per_day": 1}, 429, "RESOURCE_EXHAUSTED", "ClientError", None),
        ({"tokens_per_minute": 1}, 429, "RESOURCE_EXHAUSTED", "ClientError", None),
        ({"requests_per_minute": 1}, 429, "RESOURCE_EXHAUSTED", "ClientError", None),
    ],
)
def test_an_error_has_the_class_that_google_s_clients_give_it(
    emulator: EmulatorProcess,
    genai: Any,
    gapic: Any,
    settings: dict[str, Any],
    code: int,
    status: str,
    genai_class: str,
    gapic_class: str | None,
) -> None:
    from google.api_core import exceptions
    from google.genai import errors

    emulator.configure(models={MODEL: settings})
    post(emulator)  # takes what a quota of one holds
    with pytest.raises(getattr(errors, genai_class)) as raised:
        ask(genai)
    assert (raised.value.code, raised.value.status) == (code, status)
    with pytest.raises(getattr(exceptions, gapic_class or "TooManyRequests")):
        ask_gapic(gapic)


def test_only_the_quota_of_a_day_says_what_it_is_and_when_to_come_back(
    emulator: EmulatorProcess, genai: Any
) -> None:
    from google.genai import errors

    emulator.configure(requests_per_day=1)
    assert post(emulator).status_code == 200
    with pytest.raises(errors.ClientError) as raised:
        ask(genai)
    quota, retry = raised.value.details["error"]["details"]
    assert "PerDay" in quota["violations"][0]["quotaId"]
    assert quota["violations"][0]["quotaValue"] == "1"
    assert 0 < int(retry["retryDelay"].removesuffix("s")) <= 86_401
    emulator.request("POST", "/_emulator/clock", {"advance_seconds": 86_400})
    assert post(emulator).status_code == 200
    emulator.configure(requests_per_day=None, shared_requests_per_minute=1)
    post(emulator)
    assert "details" not in post(emulator).json()["error"]


@AIOHTTP_WARNING
@pytest.mark.parametrize(
    ("setting", "accepted", "gapic_class"),
    [
        ("drop_before_rate", 0, requests.exceptions.ConnectionError),
        ("drop_after_rate", 2, requests.exceptions.ConnectionError),
        ("truncate_rate", 2, requests.exceptions.ChunkedEncodingError),
    ],
)
def test_a_broken_connection_is_a_transport_error_and_work_done_is_billed(
    emulator: EmulatorProcess,
    gapic: Any,
    setting: str,
    accepted: int,
    gapic_class: type[Exception],
) -> None:
    emulator.configure(**{setting: 1})
    with pytest.raises(aiohttp.ClientError):
        in_event_loop(ask_async(emulator))
    with pytest.raises(gapic_class):
        ask_gapic(gapic)
    ledger = emulator.ledger()
    assert (ledger["calls_received"], ledger["calls_accepted"]) == (2, accepted)
    assert ledger["calls_rejected"] == 2 - accepted


@AIOHTTP_WARNING
def test_a_call_that_hangs_ends_by_the_client_s_own_timeout(
    emulator: EmulatorProcess, gapic: Any
) -> None:
    emulator.configure(hang_rate=1, hang_seconds=30)
    with pytest.raises(TimeoutError):
        in_event_loop(ask_async(emulator, timeout_ms=300))
    with pytest.raises(requests.exceptions.ReadTimeout):
        ask_gapic(gapic, timeout=0.3)
    assert emulator.ledger()["calls_accepted"] == 2


def test_a_body_that_is_no_json_is_not_taken_for_an_answer(
    emulator: EmulatorProcess, genai: Any
) -> None:
    from google.genai import errors

    emulator.configure(malformed_body_rate=1)
    with pytest.raises((errors.UnknownApiResponseError, json.JSONDecodeError)):
        ask(genai)
    with pytest.raises(json.JSONDecodeError):
        post(emulator).json()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("safety_rate", "SAFETY"),
        ("recitation_rate", "RECITATION"),
        ("thinking_rate", "MAX_TOKENS"),
        ("prompt_block_rate", None),
        ("empty_rate", None),
    ],
)
def test_an_answer_without_text_says_why(
    emulator: EmulatorProcess, genai: Any, setting: str, reason: str | None
) -> None:
    emulator.configure(**{setting: 1})
    answer = ask(genai, max_output_tokens=50)
    assert answer.text is None
    if reason:
        assert answer.candidates[0].finish_reason.name == reason
    else:
        assert answer.candidates is None
    is_blocked = setting == "prompt_block_rate"
    assert bool(answer.prompt_feedback and answer.prompt_feedback.block_reason) == is_blocked
    usage = answer.usage_metadata
    thoughts = 50 if setting == "thinking_rate" else None
    assert usage.thoughts_token_count == thoughts
    assert usage.total_token_count == usage.prompt_token_count + (thoughts or 0)
    use = emulator.ledger()["by_model"][MODEL]
    assert use["output_tokens"] == (thoughts or 0)


def test_a_malformed_text_is_an_answer_that_is_no_json(
    emulator: EmulatorProcess, genai: Any
) -> None:
    emulator.configure(malformed_text_rate=1)
    text = ask(genai).text
    assert text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_faults_of_a_stream_are_those_of_a_single_answer(
    emulator: EmulatorProcess, genai: Any
) -> None:
    from google.genai import errors

    emulator.configure(error_503_rate=1)
    with pytest.raises(errors.ServerError):
        list(genai.models.generate_content_stream(model=MODEL, contents="a happy day"))
    emulator.configure(error_503_rate=0, safety_rate=1)
    pieces = list(genai.models.generate_content_stream(model=MODEL, contents="a happy day"))
    assert pieces[-1].candidates[0].finish_reason.name == "SAFETY"


def statuses(emulator: EmulatorProcess, *, times: int = 1) -> list[int]:
    texts = [f"note {i}" for i in range(30)] * times
    return [response.status_code for response in post_all(emulator, texts)]


def test_the_same_seed_strikes_the_same_calls_and_retries_draw_anew(
    emulator: EmulatorProcess,
) -> None:
    emulator.configure(error_503_rate=0.5, seed=3)
    first = statuses(emulator, times=2)
    assert {200, 503} == set(first)
    assert first[:30] != first[30:]
    emulator.configure(seed=3)
    assert statuses(emulator, times=2) == first
    emulator.configure(seed=4)
    assert statuses(emulator, times=2) != first


def test_what_is_wrong_with_a_prompt_is_wrong_every_time(emulator: EmulatorProcess) -> None:
    emulator.configure(safety_rate=0.5)

    def reasons() -> list[str]:
        answers = post_all(emulator, [f"note {i}" for i in range(20)])
        return [answer.json()["candidates"][0]["finishReason"] for answer in answers]

    assert reasons() == reasons()
    assert {"SAFETY", "STOP"} == set(reasons())


def test_a_model_has_settings_of_its_own(emulator: EmulatorProcess) -> None:
    emulator.configure(models={MODEL: {"error_500_rate": 1}})
    assert post(emulator).status_code == 500
    other = FLASH.replace(MODEL, "gemini-2.5-pro")
    assert (
        plain_http.post(
            f"{emulator.url}{other}:generateContent", json=body(), timeout=300
        ).status_code
        == 200
    )
    changed = emulator.configure(models={MODEL: {"latency_seconds": 0.001}})
    assert changed["models"] == {MODEL: {"error_500_rate": 1, "latency_seconds": 0.001}}
    assert emulator.configure(models={MODEL: None})["models"] == {}
    assert post(emulator).status_code == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": {MODEL: {"safety": 1}}}, "no setting named 'models.gemini-2.5-flash.safety'"),
        ({"models": {MODEL: {"seed": 1}}}, "known: "),
        ({"models": {MODEL: {"safety_rate": 2}}}, "safety_rate must be a number from 0 to 1"),
        ({"models": {"palm-2": {}}}, "no base model named 'palm-2'"),
        ({"models": {MODEL: 3}}, "must be an object of settings, or null"),
        ({"models": []}, "models must be an object"),
        ({"tuning_outcome": "explode"}, "one of succeed, bad_file"),
    ],
)
def test_a_wrong_setting_of_a_model_is_refused(
    emulator: EmulatorProcess, settings: dict[str, Any], message: str
) -> None:
    response = plain_http.post(
        f"{emulator.url}/_emulator/config", json={"hang_rate": 1} | settings, timeout=300
    )
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
    assert emulator.request("GET", "/_emulator/config")["hang_rate"] == 0
