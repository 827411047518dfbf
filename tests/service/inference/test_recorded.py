"""Whatever Gemini was recorded to answer becomes an outcome or a refusal, never a crash."""

import asyncio
from collections import Counter

from service.inference.generators.vertex import VertexGenerator
from service.inference.operations import loop_thread
from service.inference.retry import CallFailed
from tests.service.inference.provider import Provider
from tests.service.inference.recorded import Recorded, everything, needs_recordings
from tests.service.inference.result_store import requests

# Source, verb, status, and what becomes of it. Only `generateContent` is ours to call; where a
# text is missing, the answer is a call of a function or of another service.
CALLS = {
    ("batch", "line", 200, "ok"): 1,
    ("recorded", "batchEmbedContents", 200, "unparsable"): 1,
    ("recorded", "batchEmbedContents", 404, "permanent for all"): 1,
    ("recorded", "countTokens", 200, "unparsable"): 2,
    ("recorded", "generateContent", 200, "ok"): 74,
    ("recorded", "generateContent", 200, "refused"): 2,
    ("recorded", "generateContent", 200, "truncated"): 1,
    ("recorded", "generateContent", 200, "unparsable"): 60,
    ("recorded", "generateContent", 400, "permanent"): 1,
    ("recorded", "generateContent", 400, "permanent for all"): 1,
    ("recorded", "generateContent", 429, "rate"): 1,
    ("recorded", "other", 200, "empty"): 1,
    ("recorded", "other", 200, "unparsable"): 3,
    ("recorded", "streamGenerateContent", 200, "unparsable"): 10,
    ("recorded", "uploadToFileSearchStore", 200, "unparsable"): 2,
}

# Firebase names its files by what they show.
FAILURES = {
    "api-key": "permanent for all",
    "context-cache-model-doesnt-match": "permanent",
    "context-cache-not-found": "permanent for all",
    "empty-content": "unparsable",
    "finish-reason-safety": "refused",
    "finish-reason-safety-no-content": "refused",
    "firebaseml-api-not-enabled": "permanent for all",
    "firebasevertexai-api-not-enabled": "permanent for all",
    "generate-images-all-filtered": "unparsable",
    "generate-images-gcs-some-filtered": "unparsable",
    "generate-images-prompt-blocked": "permanent",
    "http-error": "permanent for all",
    "iam-permission-denied": "permanent for all",
    "image-rejected": "permanent",
    "invalid-context-cache-id": "permanent",
    "invalid-location-url-not-found": "permanent for all",
    "invalid-response": "unparsable",
    "malformed-content": "unparsable",
    "model-not-found": "permanent for all",
    "prompt-blocked-safety": "refused",
    "prompt-blocked-safety-with-message": "refused",
    "quota-exceeded": "daily",
    "unknown-enum-finish-reason": "unparsable",
    "unknown-enum-prompt-blocked": "refused",
    "unknown-model": "permanent for all",
    "unsupported-user-location": "permanent for all",
}
WITHOUT_TEXT = {
    "detailed-token-response",
    "function-call-complex-json-literal",
    "function-call-different-parallel-calls",
    "function-call-empty-arguments",
    "function-call-json-literal",
    "function-call-no-arguments",
    "function-call-null",
    "function-call-parallel-calls",
    "function-call-with-arguments",
    "generate-images-gcs",
    "image-invalid-safety-ratings",
    "no-billable-characters",
    "total-tokens",
}


@needs_recordings
def test_every_recorded_interaction_is_classified(
    provider: Provider, generator: VertexGenerator
) -> None:
    answers = list(everything())
    outcomes = classified(answers, provider, generator)
    calls: Counter[tuple[str, str, int, str]] = Counter()
    for answer, outcome in zip(answers, outcomes, strict=True):
        if answer.source == "firebase":
            assert outcome == expected_of(answer), answer.verb
        else:
            calls[answer.source, answer.verb, answer.status, outcome] += 1
    assert calls == CALLS
    assert len(answers) == 248


def expected_of(file: Recorded) -> str:
    """Return the outcome that the name of a file promises."""
    mode, result, name = file.verb.split(".")[0].split("-", 2)
    if mode == "streaming" and file.status == 200:
        return "unparsable"  # events of a stream, which were not asked for
    if result == "failure":
        return FAILURES[name]
    if name == "empty-text-part":
        return "empty"
    return "unparsable" if name in WITHOUT_TEXT else "ok"


def classified(
    answers: list[Recorded], provider: Provider, generator: VertexGenerator
) -> list[str]:
    """Return what becomes of each answer when a server sends it."""
    provider.latency_seconds = 0
    rows = list(requests(len(answers)))
    for row, answer in zip(rows, answers, strict=True):
        provider.always[row.contents[0].text] = (answer.status, answer.body)

    async def outcome(number: int) -> str:
        try:
            return (await generator.generate(rows[number])).outcome.value
        except CallFailed as failure:
            return f"{failure.kind.value}{' for all' if failure.meets_every_call else ''}"

    async def all_outcomes() -> list[str]:
        return await asyncio.gather(*map(outcome, range(len(rows))))

    return loop_thread().run(all_outcomes())
