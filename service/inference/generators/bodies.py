"""Request bodies: the JSON of `generateContent`. Pure."""

import json
from functools import lru_cache
from typing import Any

from service.catalogue.entry import CallSettings
from service.inference.ports import GenerationRequest

_HARMS = ("HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "HARASSMENT")
# An answer blocked by a filter would be measured as a wrong answer of the model.
_SAFETY = [{"category": f"HARM_CATEGORY_{harm}", "threshold": "BLOCK_NONE"} for harm in _HARMS]


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
    sent = {name: value for name, value in settings.items() if name not in model.refused}
    return {"generationConfig": sent, "safetySettings": _SAFETY}


@lru_cache(maxsize=256)
def _encoded_settings(
    model: CallSettings, temperature: float, max_output_tokens: int, seed: int | None
) -> str:
    return _encode(
        settings_of(model, temperature=temperature, max_output_tokens=max_output_tokens, seed=seed)
    )
