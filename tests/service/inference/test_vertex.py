"""The Vertex client against a server that speaks its protocol."""

import json
from dataclasses import replace

import pytest

from service.catalogue.catalogue import load_catalogue
from service.catalogue.entry import NO_SETTINGS, CallSettings
from service.catalogue.locations import endpoint_of
from service.inference.cache import fingerprint_of
from service.inference.generators.messages import body_of, encoded
from service.inference.generators.vertex import VertexGenerator, url_of
from service.inference.operations import loop_thread
from service.inference.ports import GenerationRequest, Outcome, Turn
from service.inference.retry import CallFailed, Refusal
from tests.service.inference.conftest import Closing
from tests.service.inference.provider import DROP, GARBAGE, HANG, Fault, Provider

REQUEST = GenerationRequest(
    key="a",
    target="gemini-2.5-flash",
    base_model="gemini-2.5-flash",
    location="us-central1",
    contents=(Turn("user", "hello there, dear model"),),
    seed=7,
    settings=load_catalogue().entry("gemini-2.5-flash").call_settings,
)
ENDPOINT = "projects/123/locations/us/endpoints/456"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_a_location_has_a_host_and_an_emulator_replaces_it(location: str, host: str) -> None:
    assert endpoint_of(location) == host
    assert endpoint_of(location, emulator="http://127.0.0.1:1/") == "http://127.0.0.1:1"


def test_a_publisher_model_is_called_where_the_request_says() -> None:
    assert str(url_of(REQUEST.location, REQUEST.target, "p")) == (
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"
        "/publishers/google/models/gemini-2.5-flash:generateContent"
    )


def test_an_endpoint_is_called_where_its_name_says() -> None:
    assert str(url_of(REQUEST.location, ENDPOINT, "p")) == (
        f"https://aiplatform.us.rep.googleapis.com/v1/{ENDPOINT}:generateContent"
    )


def test_what_the_system_says_stands_outside_the_turns() -> None:
    body = body_of(replace(REQUEST, system="Be brief."))
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert body["contents"] == body_of(REQUEST)["contents"]
    assert fingerprint_of(replace(REQUEST, system="Be brief.")) != fingerprint_of(REQUEST)


def test_the_body_turns_filters_and_thinking_off() -> None:
    body = body_of(REQUEST)
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "maxOutputTokens": 1024,
        "seed": 7,
        "thinkingConfig": {"thinkingBudget": 0},
    }
    assert {setting["threshold"] for setting in body["safetySettings"]} == {"BLOCK_NONE"}
    assert len(body["safetySettings"]) == 4
    other = body_of(replace(REQUEST, settings=NO_SETTINGS, seed=None))
    assert set(other["generationConfig"]) == {"temperature", "maxOutputTokens"}


def test_a_setting_that_the_model_refuses_is_not_sent() -> None:
    refusing = CallSettings(refused=frozenset({"temperature", "seed"}))
    body = body_of(replace(REQUEST, settings=refusing))
    assert body["generationConfig"] == {"maxOutputTokens": 1024}
    assert json.loads(encoded(replace(REQUEST, settings=refusing))) == body


def test_an_answer_of_an_emulator_is_marked_synthetic(
    provider: Provider, generator: VertexGenerator
) -> None:
    answer = loop_thread().run(generator.generate(REQUEST))
    assert (answer.outcome, answer.text) == (Outcome.OK, "HELLO THERE, DEAR MODEL")
    assert (answer.prompt_tokens, answer.output_tokens, answer.synthetic) == (3, 2, True)
    assert [provider.url + path for path in provider.paths] == [
        str(url_of(REQUEST.location, REQUEST.target, "p", provider.url))
    ]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (429, Refusal.RATE),
        (503, Refusal.TRANSIENT),
        (404, Refusal.PERMANENT),
        (DROP, Refusal.TRANSIENT),
    ],
)
def test_a_failure_is_raised_and_holds_nothing_of_the_prompt(
    provider: Provider, generator: VertexGenerator, fault: Fault, kind: Refusal
) -> None:
    provider.faults.append(fault)
    with pytest.raises(CallFailed) as caught:
        loop_thread().run(generator.generate(REQUEST))
    assert caught.value.kind is kind
    assert "hello" not in caught.value.message
    assert sum(provider.accepted.values()) == 0


def test_a_hanging_answer_is_given_up(provider: Provider, closing: Closing) -> None:
    generator = VertexGenerator(project="p", endpoint=provider.url, timeout_seconds=0.2)
    closing(generator)
    provider.faults.append(HANG)
    with pytest.raises(CallFailed, match=r"no answer within 0.2 s") as caught:
        loop_thread().run(generator.generate(REQUEST))
    assert caught.value.may_be_billed


def test_nobody_listening_is_a_hiccup(closing: Closing) -> None:
    generator = VertexGenerator(project="p", endpoint="http://127.0.0.1:9", timeout_seconds=1)
    closing(generator)
    with pytest.raises(CallFailed) as caught:
        loop_thread().run(generator.generate(REQUEST))
    assert caught.value.kind is Refusal.TRANSIENT
    assert not caught.value.may_be_billed


def test_garbage_is_an_unparsable_answer(provider: Provider, generator: VertexGenerator) -> None:
    provider.faults.append(GARBAGE)
    assert loop_thread().run(generator.generate(REQUEST)).outcome is Outcome.UNPARSABLE


def test_it_works_again_after_close(provider: Provider, generator: VertexGenerator) -> None:
    for _ in range(2):
        assert loop_thread().run(generator.generate(REQUEST)).outcome is Outcome.OK
        loop_thread().run(generator.close())
