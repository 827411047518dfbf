"""What Gemini is sent: the JSON body of `generateContent`. Pure."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from service.inference.ports import GenerationRequest

_HARMS = ("HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "HARASSMENT")
# A filter in the way would be measured as a wrong answer of the model.
_SAFETY = [{"category": f"HARM_CATEGORY_{harm}", "threshold": "BLOCK_NONE"} for harm in _HARMS]

# Thinking eats maxOutputTokens and is billed; models that are not named cannot turn it off.
_THINKING: Mapping[str, Mapping[str, Any]] = {
    "gemini-2.5-flash": {"thinkingBudget": 0},
    "gemini-3.1-flash-lite": {"thinkingLevel": "MINIMAL"},
    "gemini-3.5-flash": {"thinkingLevel": "MINIMAL"},
}


# `json.dumps` would build this encoder anew for every request.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def body_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the JSON body of a request."""
    settings = settings_of(
        request.base_model,
        temperature=request.temperature,
        max_output_tokens=request.max_output_tokens,
        seed=request.seed,
    )
    return {**words_of(request), **settings}


def encoded(request: GenerationRequest) -> bytes:
    """Return the JSON of `body_of`; what the rows of an evaluation share is written only once."""
    settings = _encoded_settings(
        request.base_model, request.temperature, request.max_output_tokens, request.seed
    )
    return f"{_encode(words_of(request))[:-1]},{settings[1:]}".encode()


def words_of(request: GenerationRequest) -> dict[str, Any]:
    """Return what is said: the part of a body that differs from row to row."""
    contents = [{"role": turn.role, "parts": [{"text": turn.text}]} for turn in request.contents]
    if not request.system:
        return {"contents": contents}
    system = {"role": "system", "parts": [{"text": request.system}]}
    return {"systemInstruction": system, "contents": contents}


def settings_of(
    base_model: str, *, temperature: float, max_output_tokens: int, seed: int | None
) -> dict[str, Any]:
    """Return the rest of a body: how it is to be answered."""
    settings: dict[str, Any] = {"temperature": temperature, "maxOutputTokens": max_output_tokens}
    if seed is not None:
        settings["seed"] = seed
    family = next((name for name in _THINKING if base_model.startswith(name)), None)
    if family:
        settings["thinkingConfig"] = dict(_THINKING[family])
    return {"generationConfig": settings, "safetySettings": _SAFETY}


@lru_cache(maxsize=256)
def _encoded_settings(
    base_model: str, temperature: float, max_output_tokens: int, seed: int | None
) -> str:
    return _encode(
        settings_of(
            base_model, temperature=temperature, max_output_tokens=max_output_tokens, seed=seed
        )
    )
