"""Messages of `generateContent` as JSON: bodies of requests, and what answers say, whole or
streamed as server-sent events. Pure.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from service.catalogue.entry import CallSettings
from service.inference.ports import Generation, GenerationRequest, Outcome
from service.text import storable_json, storable_text
from service.tokens import tokens_in

_HARMS = ("HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "HARASSMENT")
# An answer blocked by a filter would be measured as a wrong answer of the model.
_SAFETY = [{"category": f"HARM_CATEGORY_{harm}", "threshold": "BLOCK_NONE"} for harm in _HARMS]

# Finish reasons and their outcomes. Published enums lag behind the service, so an unknown reason
# is UNPARSABLE: its text may be incomplete.
_OUTCOMES = {
    "": Outcome.OK,
    "STOP": Outcome.OK,
    "MAX_TOKENS": Outcome.TRUNCATED,
    "SAFETY": Outcome.REFUSED,
    "RECITATION": Outcome.REFUSED,
    "LANGUAGE": Outcome.REFUSED,
    "OTHER": Outcome.REFUSED,
    "BLOCKLIST": Outcome.REFUSED,
    "PROHIBITED_CONTENT": Outcome.REFUSED,
    "SPII": Outcome.REFUSED,
    "MODEL_ARMOR": Outcome.REFUSED,
}
_TEXT_KEYS = frozenset({"text", "thought", "thoughtSignature"})
_LARGEST_COUNT = 2**31 - 1  # of a column; no context is as long
_KNOWN_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})
_DATA = b"data:"  # what an event of a stream begins with


# `json.dumps` would build this encoder anew for every request.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def body_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the JSON body of a request."""
    settings = settings_of(
        request.settings,
        temperature=request.temperature,
        max_output_tokens=request.max_output_tokens,
        seed=request.seed,
    )
    return {**words_of(request), **settings}


def encoded(request: GenerationRequest) -> bytes:
    """Return the JSON of `body_of`; the settings, shared by all rows, are encoded only once."""
    settings = _encoded_settings(
        request.settings, request.temperature, request.max_output_tokens, request.seed
    )
    return f"{_encode(words_of(request))[:-1]},{settings[1:]}".encode()


def words_of(request: GenerationRequest) -> dict[str, Any]:
    """Return system instruction and contents: the part of a body that differs by row."""
    contents = [{"role": turn.role, "parts": [{"text": turn.text}]} for turn in request.contents]
    if not request.system:
        return {"contents": contents}
    system = {"role": "system", "parts": [{"text": request.system}]}
    return {"systemInstruction": system, "contents": contents}


def settings_of(
    model: CallSettings, *, temperature: float, max_output_tokens: int, seed: int | None
) -> dict[str, Any]:
    """Return the rest of a body: how it is to be answered. Thinking uses up `maxOutputTokens`
    and is billed, so the model does as little of it as it can.
    """
    settings: dict[str, Any] = {"temperature": temperature, "maxOutputTokens": max_output_tokens}
    if seed is not None:
        settings["seed"] = seed
    if model.thinking:
        settings["thinkingConfig"] = dict(model.thinking)
    if model.response_format:
        settings |= json.loads(model.response_format)
    if model.logprobs:
        settings["responseLogprobs"] = True
    sent = {name: value for name, value in settings.items() if name not in model.refused}
    return {"generationConfig": sent, "safetySettings": _SAFETY}


@lru_cache(maxsize=256)
def _encoded_settings(
    model: CallSettings, temperature: float, max_output_tokens: int, seed: int | None
) -> str:
    return _encode(
        settings_of(model, temperature=temperature, max_output_tokens=max_output_tokens, seed=seed)
    )


def read_answer(body: Mapping[str, Any], *, synthetic: bool = False) -> Generation:
    """Return what the answer says; never raises, whatever `body` holds.

    A blocked prompt is a refusal; no candidate, and an end without text, are empty. Output tokens
    are those of the candidates and of the thoughts: both are billed as output. Tokens that are
    not counted are `with_estimates`.
    """
    usage: dict[str, Any] = storable_json(_mapping(body.get("usageMetadata")))
    outcome, text, reason, error = _read(body)
    return Generation(
        outcome=outcome,
        text=storable_text(text) if outcome in (Outcome.OK, Outcome.TRUNCATED) else "",
        finish_reason=storable_text(reason),
        prompt_tokens=_count(usage, "promptTokenCount"),
        output_tokens=_count(usage, "candidatesTokenCount") + _count(usage, "thoughtsTokenCount"),
        usage=usage,
        synthetic=synthetic,
        error=storable_text(error),
        logprob=_logprob(body) if outcome is Outcome.OK else None,
    )


def with_estimates(generation: Generation, request: GenerationRequest) -> Generation:
    """Return the answer with estimated tokens where the provider gives no counts.

    Absent is not zero: every prompt has tokens, and so has every text. JSON of Google leaves out
    counts that are zero, so a missing count of output is one only where there is text.
    """
    if generation.outcome is Outcome.FAILED:
        return generation
    prompt, output = generation.prompt_tokens, generation.output_tokens
    total = _count(generation.usage, "totalTokenCount")
    prompt = prompt or max(0, total - output) or request.estimated_prompt_tokens
    output = output or max(0, total - prompt) or tokens_in(len(generation.text))
    if (prompt, output) == (generation.prompt_tokens, generation.output_tokens):
        return generation
    return replace(
        generation, prompt_tokens=prompt, output_tokens=output, uncounted=total != prompt + output
    )


def _read(body: Mapping[str, Any]) -> tuple[Outcome, str, str, str]:
    blocked = str(_mapping(body.get("promptFeedback")).get("blockReason") or "")
    if blocked:
        return Outcome.REFUSED, "", blocked, f"the prompt was blocked: {blocked[:64]}"
    if not _KNOWN_KEYS & body.keys():
        return Outcome.UNPARSABLE, "", "", "not an answer of generateContent"
    if not body.get("candidates") or not isinstance(body["candidates"], list):
        return Outcome.EMPTY, "", "", "no candidate"
    return _read_candidate(_candidate(body))


def _read_candidate(candidate: Mapping[str, Any]) -> tuple[Outcome, str, str, str]:
    reason = str(candidate.get("finishReason") or "")[:64]
    shown = _parts(candidate)
    outcome = _OUTCOMES.get(reason, Outcome.UNPARSABLE)
    if outcome is Outcome.UNPARSABLE:
        return outcome, "", reason, f"ended by {reason}"
    if outcome is Outcome.REFUSED:
        return outcome, "", reason, f"withheld: {reason}"
    text = "".join(texts_in(shown))
    if outcome is Outcome.OK and not text:
        is_empty = reason and not any(part.keys() - _TEXT_KEYS for part in shown)
        odd = Outcome.EMPTY if is_empty else Outcome.UNPARSABLE
        return odd, "", reason, "no text in the answer"
    return outcome, text, reason, ""


def _logprob(body: Mapping[str, Any]) -> float | None:
    """Return the log-probability of all tokens of the answer; None where the model returns none."""
    chosen = _mapping(_candidate(body).get("logprobsResult")).get("chosenCandidates")
    listed = chosen if isinstance(chosen, list) else []
    tokens = [_mapping(each).get("logProbability", 0.0) for each in listed]
    if not tokens or not all(map(_is_logprob, tokens)):
        return None
    return min(0.0, float(sum(tokens)))


def _is_logprob(value: object) -> bool:
    """Return whether it is a number that a logarithm of a probability may be, and no NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST_COUNT <= value <= _LARGEST_COUNT


def _mapping(value: object) -> dict[str, Any]:
    # JSON has no other mapping, and isinstance of Mapping takes four times the CPU.
    return value if isinstance(value, dict) else {}


def _count(usage: Mapping[str, Any], key: str) -> int:
    """Return a count; as a text it is JSON of protocol buffers, which writes long numbers so."""
    value = usage.get(key)
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < len(str(_LARGEST_COUNT)) else 0
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 < value <= _LARGEST_COUNT else 0


def piece_of(line: bytes) -> dict[str, Any] | None:
    """Return the piece of an answer that a line of the stream holds; None for one without."""
    if not line.startswith(_DATA):
        return None
    try:
        piece = json.loads(line[len(_DATA) :])
    except (ValueError, RecursionError):
        return None
    return piece if isinstance(piece, dict) else None


def texts_in(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts of an answer's parts, thoughts aside; what is no text is none."""
    for part in parts:
        text = part.get("text")
        if isinstance(text, str) and not part.get("thought"):
            yield text


def text_of(piece: dict[str, Any]) -> str:
    """Return the text that a piece adds to the answer, its thoughts aside."""
    return "".join(texts_in(_parts(_candidate(piece))))


def merged_answer(pieces: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the pieces as one answer of `generateContent`; None where their end is missing.

    Texts add up; of everything else the last piece that has it counts.
    """
    feedback = _last(pieces, "promptFeedback")
    reason = next((r for p in reversed(pieces) if (r := _candidate(p).get("finishReason"))), None)
    if reason is None and not feedback:
        return None
    text = "".join(map(text_of, pieces))
    parts = [{"text": text}] if text else []
    merged = {"candidates": [{"content": {"parts": parts}, "finishReason": reason}]}
    found = {"usageMetadata": _last(pieces, "usageMetadata"), "promptFeedback": feedback}
    return merged | {name: value for name, value in found.items() if value}


def _last(pieces: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((p[name] for p in reversed(pieces) if isinstance(p.get(name), dict)), {})


def _candidate(body: Mapping[str, Any]) -> dict[str, Any]:
    candidates = body.get("candidates")
    return _mapping(candidates[0]) if isinstance(candidates, list) and candidates else {}


def _parts(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of an answer; what is no part is an empty one."""
    parts = _mapping(candidate.get("content")).get("parts")
    return [_mapping(part) for part in parts] if isinstance(parts, list) else []
