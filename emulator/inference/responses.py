"""Building the response of a generation, in the shape of recorded ones."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from emulator.clock import timestamp
from emulator.inference.requests import GenerationRequest
from emulator.inference.tokens import token_id
from emulator.learners.distributions import Choice, Sample
from emulator.prompts import CHARACTERS_PER_TOKEN, count_billable_characters, count_tokens

# JSON has no word for minus infinity.
_LEAST_LOG = -1e4


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer after the limits of its request, and why it ended."""

    text: str
    finish_reason: str
    choices: tuple[Choice, ...] = ()

    @property
    def tokens(self) -> int:
        return count_tokens(self.text) if self.text else 0


def limited_candidate(sample: Sample, request: GenerationRequest) -> Candidate:
    """Cut an answer before its first stop sequence, then at the token limit."""
    text = sample.text
    ends = [text.find(stop) for stop in request.stop_sequences if stop and stop in text]
    text, reason = text[: min(ends)] if ends else text, "STOP"
    most = request.max_output_tokens
    if most is not None and count_tokens(text) > most:
        text, reason = text[: most * CHARACTERS_PER_TOKEN], "MAX_TOKENS"
    return Candidate(text, reason, _choices_within(sample.choices, len(text)))


def _choices_within(choices: Sequence[Choice], size: int) -> tuple[Choice, ...]:
    """Return the choices that begin before a cut; those that write nothing go with the next."""
    starts = accumulate((len(choice.token) for choice in choices), initial=0)
    kept = (choice for choice, start in zip(choices, starts, strict=False) if start < size)
    return tuple(kept)


def response_body(
    samples: Sequence[Sample], request: GenerationRequest, *, model_version: str
) -> dict[str, Any]:
    """Return the response body, one candidate a sample.

    An empty answer has neither parts nor a candidates count.
    """
    answers = [limited_candidate(sample, request) for sample in samples]
    prompt_tokens = count_tokens(request.text)
    output_tokens = sum(answer.tokens for answer in answers)
    usage: dict[str, Any] = {
        "promptTokenCount": prompt_tokens,
        "totalTokenCount": prompt_tokens + output_tokens,
        "promptTokensDetails": _details(prompt_tokens),
        "trafficType": "ON_DEMAND",
    }
    if output_tokens:
        usage["candidatesTokenCount"] = output_tokens
        usage["candidatesTokensDetails"] = _details(output_tokens)
    return {
        "candidates": [_candidate(answer, at, request) for at, answer in enumerate(answers)],
        "usageMetadata": usage,
        "modelVersion": model_version,
        "createTime": timestamp(),
        "responseId": secrets.token_urlsafe(16),
    }


def _candidate(answer: Candidate, index: int, request: GenerationRequest) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if answer.text:
        content["parts"] = [{"text": answer.text}]
    candidate: dict[str, Any] = {"content": content, "finishReason": answer.finish_reason}
    if request.returns_logprobs and answer.choices:
        candidate |= describe_choices(answer.choices, options=bool(request.top_logprobs))
    return candidate | ({"index": index} if index else {})


def describe_choices(choices: Sequence[Choice], *, options: bool) -> dict[str, Any]:
    """Return `avgLogprobs` and `logprobsResult`; the decisions of a head stand for tokens."""
    logs = [choice.log_probability for choice in choices]
    chosen = [_token(choice.token, choice.log_probability) for choice in choices]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if options:
        result["topCandidates"] = [
            {"candidates": [_token(*option) for option in choice.options]} for choice in choices
        ]
    return {"avgLogprobs": sum(logs) / len(logs), "logprobsResult": result}


def _token(text: str, log_probability: float) -> dict[str, Any]:
    """Return a token with a number that is the same for the same text, and no real vocabulary's."""
    return {
        "token": text,
        "tokenId": token_id(text.encode("utf-8", "surrogatepass")),
        "logProbability": max(log_probability, _LEAST_LOG),
    }


def token_count_body(request: GenerationRequest) -> dict[str, Any]:
    tokens = count_tokens(request.text)
    return {
        "totalTokens": tokens,
        "totalBillableCharacters": count_billable_characters(request.text),
        "promptTokensDetails": _details(tokens),
    }


def _details(tokens: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": tokens}]
