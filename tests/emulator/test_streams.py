"""streamGenerateContent through Google's clients, in both of its forms."""

import json
from collections.abc import Iterator
from itertools import accumulate
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.inference.streams import split_response, split_text
from tests.emulator.clients import genai_client, in_event_loop, rest_client
from tests.emulator.recordings import same_shape, streamed_responses
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

FLASH = "projects/lab/locations/global/publishers/google/models/gemini-2.5-flash"
LONG = "Mask personal data.\n\nText: " + " ".join(f"word{number}" for number in range(120))


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _defaults(emulator: EmulatorProcess) -> None:
    emulator.configure(requests_per_minute=None)


def whole_answer(genai: Any) -> str:
    return str(genai.models.generate_content(model="gemini-2.5-flash", contents=LONG).text)


def check_stream(chunks: list[Any], *, whole: str) -> None:
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks) == whole
    *early, last = chunks
    assert all(chunk.candidates[0].finish_reason is None for chunk in early)
    assert all(chunk.usage_metadata.total_token_count is None for chunk in early)
    assert last.candidates[0].finish_reason.name == "STOP"
    usage = last.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert len({chunk.response_id for chunk in chunks}) == 1


def test_the_chunks_of_a_stream_are_the_whole_answer(genai: Any) -> None:
    chunks = list(genai.models.generate_content_stream(model="gemini-2.5-flash", contents=LONG))
    check_stream(chunks, whole=whole_answer(genai))


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_the_asynchronous_client_reads_the_same_stream(
    emulator: EmulatorProcess, genai: Any
) -> None:
    async def read() -> list[Any]:
        client = genai_client(emulator, api_version="v1beta1")
        try:
            stream = await client.aio.models.generate_content_stream(
                model="gemini-2.5-flash", contents=LONG
            )
            return [chunk async for chunk in stream]
        finally:
            await client.aio.aclose()
            client.close()

    check_stream(in_event_loop(read()), whole=whole_answer(genai))


def test_the_prediction_client_reads_the_array_form(emulator: EmulatorProcess, genai: Any) -> None:
    from google.cloud import aiplatform_v1 as v1

    client = rest_client(emulator, v1.PredictionServiceClient)
    contents = [v1.Content(role="user", parts=[v1.Part(text=LONG)])]
    request = v1.GenerateContentRequest(model=FLASH, contents=contents)
    chunks = list(client.stream_generate_content(request=request, timeout=300))
    client.transport.close()
    texts = [chunk.candidates[0].content.parts[0].text for chunk in chunks]
    assert "".join(texts) == whole_answer(genai)
    assert chunks[-1].candidates[0].finish_reason.name == "STOP"


def test_a_stream_is_one_call_in_the_ledger(emulator: EmulatorProcess, genai: Any) -> None:
    before = emulator.ledger()["calls_accepted"]
    list(genai.models.generate_content_stream(model="gemini-2.5-flash", contents=LONG))
    assert emulator.ledger()["calls_accepted"] == before + 1


def test_pieces_come_spread_over_the_answer_s_time(emulator: EmulatorProcess, genai: Any) -> None:
    emulator.configure(latency_seconds=1)
    moments: list[float] = []
    lengths: list[int] = []
    started = monotonic()
    for chunk in genai.models.generate_content_stream(model="gemini-2.5-flash", contents=LONG):
        moments.append(monotonic() - started)
        lengths.append(len(chunk.text or ""))
        assert chunk.response_id
    emulator.configure(latency_seconds=0)

    # None comes before its share; that the first does not wait for the last, the next test shows.
    shares = [length / sum(lengths) for length in accumulate(lengths)]
    assert len(moments) > 2
    assert all(moment >= share for moment, share in zip(moments, shares, strict=True))
    assert emulator.ledger()["by_model"]["gemini-2.5-flash"]["in_flight"] == 0


def test_a_stream_its_client_leaves_is_no_longer_in_flight(emulator: EmulatorProcess) -> None:
    emulator.configure(latency_seconds=60)  # a piece of it in the first second
    document = {"contents": [{"role": "user", "parts": [{"text": LONG}]}]}
    url = f"{emulator.url}/v1/{FLASH}:streamGenerateContent?alt=sse"

    def in_flight() -> int:
        return int(emulator.ledger()["by_model"]["gemini-2.5-flash"]["in_flight"])

    with plain_http.stream("POST", url, json=document, timeout=300) as response:
        lines = response.iter_lines()
        next(lines)
        assert in_flight() == 1
    emulator.configure(latency_seconds=0)

    eventually(lambda: in_flight() == 0, what="the stream stays in flight")


def test_a_refused_stream_answers_with_its_status(emulator: EmulatorProcess, genai: Any) -> None:
    from google.genai.errors import ClientError

    with pytest.raises(ClientError) as refused:
        list(genai.models.generate_content_stream(model="llama-3", contents="hi"))
    assert refused.value.code == 404
    array = plain_http.post(
        f"{emulator.url}/v1/{FLASH}:streamGenerateContent", json={"prompt": 1}, timeout=300
    )
    assert array.status_code == 400
    assert array.json()[0]["error"]["status"] == "INVALID_ARGUMENT"
    events = f"{emulator.url}/v1/{FLASH}:streamGenerateContent?alt=sse"
    assert plain_http.post(events, json={}, timeout=300).json()["error"]["code"] == 400


def test_several_candidates_keep_their_index(emulator: EmulatorProcess) -> None:
    contents = [{"role": "user", "parts": [{"text": LONG}]}]
    document = {"contents": contents, "generationConfig": {"candidateCount": 2}}
    response = plain_http.post(
        f"{emulator.url}/v1/{FLASH}:streamGenerateContent", json=document, timeout=300
    )
    candidates = [piece["candidates"][0] for piece in response.json()]
    texts = ["", ""]
    for candidate in candidates:
        texts[candidate.get("index", 0)] += candidate["content"]["parts"][0]["text"]
    assert texts[0]
    assert texts[1]
    assert sum("finishReason" in candidate for candidate in candidates) == 2


def test_events_have_the_keys_and_types_of_recorded_ones(emulator: EmulatorProcess) -> None:
    document = {"contents": [{"role": "user", "parts": [{"text": LONG}]}]}
    url = f"{emulator.url}/v1/{FLASH}:streamGenerateContent?alt=sse"
    response = plain_http.post(url, json=document, timeout=300)
    assert response.headers["content-type"].startswith("text/event-stream")
    ours = [
        json.loads(event.removeprefix("data: "))
        for event in response.text.split("\r\n\r\n")
        if event
    ]
    first, *_, last = streamed_responses("streaming-success-basic-reply-long.txt")
    assert same_shape(ours[0], first)
    assert same_shape(ours[-1], last)


@given(text=st.text(max_size=900))
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(split_text(text)) == text


@pytest.mark.parametrize(
    "response",
    [
        {"candidates": [{"content": {"role": "model"}, "finishReason": "SAFETY"}]},
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}},
        {"candidates": [], "usageMetadata": {"totalTokenCount": 3}},
    ],
)
def test_an_answer_without_text_is_one_piece(response: dict[str, Any]) -> None:
    pieces = split_response(response)
    assert len(pieces) == 1
    assert {name: value for name, value in response.items() if value}.items() <= pieces[0].items()
