"""What Gemini is sent: the JSON body of `generateContent`. Pure."""

from collections.abc import Mapping
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


def body_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the JSON body of a request."""
    return {**words_of(request), **settings_of(request)}


def words_of(request: GenerationRequest) -> dict[str, Any]:
    """Return what is said: the part of a body that differs from row to row."""
    contents = [{"role": turn.role, "parts": [{"text": turn.text}]} for turn in request.contents]
    if not request.system:
        return {"contents": contents}
    system = {"role": "system", "parts": [{"text": request.system}]}
    return {"systemInstruction": system, "contents": contents}


def settings_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the rest of a body: how it is to be answered."""
    settings: dict[str, Any] = {
        "temperature": request.temperature,
        "maxOutputTokens": request.max_output_tokens,
    }
    if request.seed is not None:
        settings["seed"] = request.seed
    family = next((name for name in _THINKING if request.base_model.startswith(name)), None)
    if family:
        settings["thinkingConfig"] = dict(_THINKING[family])
    return {"generationConfig": settings, "safetySettings": _SAFETY}
