"""Building the response of a generation, in the shape of recorded ones."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulator.inference.requests import Question
from emulator.timestamps import timestamp
from emulator.tokens import CHARACTERS_PER_TOKEN, count_billable_characters, count_tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of an answer after the limits, and why it ended."""

    text: str
    finish_reason: str

    @property
    def tokens(self) -> int:
        return count_tokens(self.text) if self.text else 0


def limit_answer(
    text: str, *, max_output_tokens: int | None, stop_sequences: Sequence[str]
) -> Answer:
    """Cut an answer before its first stop sequence, then at the token limit."""
    ends = [text.find(stop) for stop in stop_sequences if stop and stop in text]
    text = text[: min(ends)] if ends else text
    if max_output_tokens is not None and count_tokens(text) > max_output_tokens:
        return Answer(text[: max_output_tokens * CHARACTERS_PER_TOKEN], "MAX_TOKENS")
    return Answer(text, "STOP")


def describe_answer(answer: Answer, question: Question, *, model_version: str) -> dict[str, Any]:
    """Return the response body. An empty answer has neither parts nor a candidates count."""
    prompt_tokens = count_tokens(question.text)
    output_tokens = answer.tokens * question.candidate_count
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
        "candidates": [_candidate(answer, index) for index in range(question.candidate_count)],
        "usageMetadata": usage,
        "modelVersion": model_version,
        "createTime": timestamp(),
        "responseId": secrets.token_urlsafe(16),
    }


def _candidate(answer: Answer, index: int) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if answer.text:
        content["parts"] = [{"text": answer.text}]
    candidate = {"content": content, "finishReason": answer.finish_reason}
    return candidate | ({"index": index} if index else {})


def describe_token_count(question: Question) -> dict[str, Any]:
    tokens = count_tokens(question.text)
    return {
        "totalTokens": tokens,
        "totalBillableCharacters": count_billable_characters(question.text),
        "promptTokensDetails": _details(tokens),
    }


def _details(tokens: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": tokens}]
