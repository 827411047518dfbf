"""Faults and delays of calls, drawn by seed, and the answers they leave."""

import json
from collections.abc import Mapping
from enum import StrEnum
from math import exp
from typing import Any

from emulator.admission.connections import DroppedConnectionError
from emulator.errors import GoogleError
from emulator.randomness import normal, unit
from emulator.settings import Settings

THOUGHTS_WITHOUT_LIMIT = 1024
_BROKEN_SHARE = 3
_PROMPT_RATINGS = [
    {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "NEGLIGIBLE"},
    {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH"},
    {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"},
    {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "NEGLIGIBLE"},
]
_CALM = {
    "probability": "NEGLIGIBLE",
    "probabilityScore": 0.125,
    "severity": "HARM_SEVERITY_NEGLIGIBLE",
    "severityScore": 0.0625,
}
_RATINGS = [
    {"category": "HARM_CATEGORY_HATE_SPEECH"} | _CALM,
    {"category": "HARM_CATEGORY_DANGEROUS_CONTENT"} | _CALM,
    {
        "category": "HARM_CATEGORY_HARASSMENT",
        "probability": "HIGH",
        "blocked": True,
        "probabilityScore": 0.9375,
        "severity": "HARM_SEVERITY_MEDIUM",
        "severityScore": 0.5,
    },
    {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT"} | _CALM,
]


class Fault(StrEnum):
    """Each is the name of its rate: `safety` is drawn by `safety_rate`."""

    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    TRUNCATE = "truncate"
    MALFORMED_BODY = "malformed_body"
    PROMPT_BLOCK = "prompt_block"
    SAFETY = "safety"
    RECITATION = "recitation"
    THINKING = "thinking"
    EMPTY = "empty"
    MALFORMED_TEXT = "malformed_text"


_REFUSALS = (Fault.DROP_BEFORE, Fault.ERROR_500, Fault.ERROR_503)
_DELIVERIES = (Fault.DROP_AFTER, Fault.TRUNCATE, Fault.MALFORMED_BODY)
_CONTENTS = (
    Fault.PROMPT_BLOCK,
    Fault.SAFETY,
    Fault.RECITATION,
    Fault.THINKING,
    Fault.EMPTY,
    Fault.MALFORMED_TEXT,
)


def raise_random_error(settings: Settings, *, digest: bytes, attempt: int) -> None:
    """Raise the error that was drawn for a call before any work: 500, 503, or no answer.

    Sending the call again draws anew, so retries get through as often as the rates allow.
    """
    match _drawn(_REFUSALS, settings, digest, attempt):
        case Fault.ERROR_500:
            raise GoogleError(500, "Internal error encountered.")
        case Fault.ERROR_503:
            message = "The service is currently unavailable."
            raise GoogleError(503, message, status="UNAVAILABLE")
        case Fault.DROP_BEFORE:
            raise DroppedConnectionError
        case _:
            pass


def raise_random_row_error(settings: Settings, *, digest: bytes) -> None:
    """Raise GoogleError 503 for a batch row drawn to fail, the same row every time."""
    if unit(settings.seed, "batch_error", digest) < settings.batch_error_rate:
        message = "The service is currently unavailable."
        raise GoogleError(503, message, status="UNAVAILABLE")


def delivery_fault(settings: Settings, *, digest: bytes, attempt: int) -> Fault | None:
    """Return the fault of an answer's delivery, after the work was done."""
    return _drawn(_DELIVERIES, settings, digest, attempt)


def content_fault(settings: Settings, *, digest: bytes) -> Fault | None:
    """Return the fault of the content: the same for a prompt every time."""
    return _drawn(_CONTENTS, settings, digest)


def _drawn(kinds: tuple[Fault, ...], settings: Settings, *facts: object) -> Fault | None:
    for fault in kinds:
        rate = getattr(settings, f"{fault}_rate")
        if rate and unit(settings.seed, fault.value, *facts) < rate:
            return fault
    return None


def apply_content_fault(
    response: Mapping[str, Any], fault: Fault | None, *, max_output_tokens: int | None
) -> dict[str, Any]:
    """Return a response body with the fault, in the recorded shapes."""
    if fault is None:
        return dict(response)
    if fault is Fault.MALFORMED_TEXT:
        return {**response, "candidates": [_broken(each) for each in response["candidates"]]}
    bare = _without_answer(response)
    match fault:
        case Fault.SAFETY:
            bare["candidates"] = [{"finishReason": "SAFETY", "safetyRatings": _RATINGS}]
        case Fault.RECITATION:
            bare["candidates"] = [{"finishReason": "RECITATION"}]
        case Fault.THINKING:
            return _thought_only(bare, max_output_tokens or THOUGHTS_WITHOUT_LIMIT)
        case Fault.PROMPT_BLOCK:
            feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": _PROMPT_RATINGS}
            bare["promptFeedback"] = feedback
        case _:
            pass
    return bare


def _without_answer(response: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the candidates and their tokens, which are not billed then."""
    usage = {
        name: value
        for name, value in response["usageMetadata"].items()
        if not name.startswith(("candidates", "thoughts"))
    }
    usage["totalTokenCount"] = usage["promptTokenCount"]
    kept = {name: value for name, value in response.items() if name != "candidates"}
    return kept | {"usageMetadata": usage}


def _thought_only(bare: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Spend all tokens on thinking: a content without parts, and thoughts on the bill."""
    usage = bare["usageMetadata"]
    usage |= {
        "thoughtsTokenCount": tokens,
        "totalTokenCount": usage["promptTokenCount"] + tokens,
    }
    candidate = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
    return bare | {"candidates": [candidate], "usageMetadata": usage}


def _broken(candidate: dict[str, Any]) -> dict[str, Any]:
    parts = candidate.get("content", {}).get("parts", [])
    broken = [
        part | {"text": break_json(part["text"])} if "text" in part else part for part in parts
    ]
    return candidate | {"content": candidate.get("content", {}) | {"parts": broken}}


def break_json(text: str) -> str:
    """Return a text that is not JSON: its end is lost, or it starts an object never closed."""
    kept = text[: len(text) - max(1, len(text) // _BROKEN_SHARE)]
    try:
        json.loads(kept)
    except ValueError:
        if text.lstrip().startswith(("{", "[")):
            return kept
    return '{"answer": ' + json.dumps(text, ensure_ascii=False)


def delay_seconds(settings: Settings, *, digest: bytes, attempt: int) -> tuple[float, float]:
    """Return how long a call hangs before anything comes, and how long its answer takes then.

    Both in real seconds; with `latency_sigma` 0 the latter is the median itself. `attempt` counts
    the sendings of the same call.
    """
    seconds = settings.latency_seconds
    if seconds and settings.latency_sigma:
        draw = normal(settings.seed, "latency", digest, attempt)
        seconds *= exp(settings.latency_sigma * draw)
    hangs = settings.hang_rate and _hangs(settings, digest, attempt)
    return (settings.hang_seconds if hangs else 0.0), seconds


def _hangs(settings: Settings, digest: bytes, attempt: int) -> bool:
    return unit(settings.seed, "hang", digest, attempt) < settings.hang_rate
