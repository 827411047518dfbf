"""Reading a generateContent or countTokens request, strictly but for what the types lag behind."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict

from emulator.catalogue import MODELS
from emulator.errors import GoogleError, Violation
from emulator.inference.fast_parser import fast_message
from emulator.inference.targets import Target
from emulator.messages import parse_message
from emulator.prompts import Turn

_LISTS = frozenset({"contents", "parts", "tools", "safetySettings", "safety_settings"})
_NEWER: Mapping[str, frozenset[str]] = {
    "": frozenset({"serviceTier", "service_tier", "labels"}),
    "generationConfig": frozenset(
        {"responseFormat", "enableEnhancedCivicAnswers", "enableAffectiveDialog"}
        | {"modelSelectionConfig", "audioTranscriptionConfig", "translationConfig"}
    ),
}
_RANGES = (
    ("maxOutputTokens", "max_output_tokens", 1, 65_536),
    ("candidateCount", "candidate_count", 1, 8),
    ("temperature", "temperature", 0, 2),
    ("topP", "top_p", 0, 1),
    ("topK", "top_k", 1, 2**31 - 1),
    ("presencePenalty", "presence_penalty", -2, 2),
    ("frequencyPenalty", "frequency_penalty", -2, 2),
    ("logprobs", "logprobs", 0, 20),
)
"""The JSON name, the field, the least and the greatest value."""
_MOST_STOPS = 5
_ENUM_TYPE = "text/x.enum"
_SCHEMA_TYPES = frozenset(("application/json", _ENUM_TYPE))
_SCHEMAS = ("response_schema", "response_json_schema")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request as the emulator understands it; `digest` is the same for the same request.

    `schema` is the response schema, as JSON has it; None without one.
    """

    turns: list[Turn]
    system_instruction: str
    max_output_tokens: int | None
    stop_sequences: list[str]
    candidate_count: int
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    returns_logprobs: bool
    top_logprobs: int
    digest: bytes
    schema: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        return self.system_instruction + "".join(text for _, text in self.turns)


def read_generation_request(
    document: dict[str, Any], types: Any, *, target: Target
) -> GenerationRequest:
    """Return the request. `types` is the protobuf message class of the request.

    For a model that ignores sampling the temperature is 0, whatever the request says.
    Raises GoogleError 400 for unknown fields, wrong values, parts that are not text, and penalties
    that the model refuses.
    """
    base_model = MODELS[target.base_model]
    newer: dict[str, Any] = {}
    message = fast_message(document, types)
    if message is None:
        known, newer = _without_newer_fields(document)
        message = parse_message(_with_lists(known), types)
    config = message.generation_config
    _check_ranges(config)
    _check_penalties(config, target.base_model)
    digest = hashlib.blake2b(target.name.encode(), digest_size=16)
    digest.update(message.SerializeToString(deterministic=True))
    if newer:
        digest.update(json.dumps(newer, sort_keys=True).encode())
    return GenerationRequest(
        turns=_read_turns(message.contents),
        system_instruction=_read_text(message.system_instruction),
        max_output_tokens=config.max_output_tokens if "max_output_tokens" in config else None,
        stop_sequences=list(config.stop_sequences),
        candidate_count=max(1, config.candidate_count),
        temperature=config.temperature if base_model.honours_sampling else 0.0,
        top_p=config.top_p if "top_p" in config else 1.0,
        top_k=int(config.top_k),
        seed=config.seed if "seed" in config else None,
        returns_logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
        digest=digest.digest(),
        schema=_read_schema(config),
    )


def _read_schema(config: Any) -> dict[str, Any] | None:
    """Return the schema that answers must follow; JSON Schema, or Google's form of it, as JSON.

    Raises GoogleError 400 for a schema that goes with no MIME type it fits.
    """
    given = next((name for name in _SCHEMAS if name in config), None)
    if given is None:
        return None
    if config.response_mime_type not in _SCHEMA_TYPES:
        raise _unable("a response schema needs the responseMimeType application/json")
    schema: dict[str, Any] = MessageToDict(getattr(config, given))
    is_enum = config.response_mime_type == _ENUM_TYPE
    if is_enum and not schema.get("enum"):
        raise _unable(f"{_ENUM_TYPE} needs a response schema with an enum")
    return schema


def _without_newer_fields(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part off fields the live API takes and the published types lack: they are not wrong."""
    known = dict(document)
    newer: dict[str, Any] = {}
    for parent, names in _NEWER.items():
        place = known.get(parent) if parent else known
        if not isinstance(place, dict):
            continue
        newer |= {f"{parent}.{name}": place[name] for name in names & place.keys()}
        kept = {name: value for name, value in place.items() if name not in names}
        known = known | {parent: kept} if parent else kept
    return known, newer


def _with_lists(value: Any) -> Any:
    """Wrap a single object into a list where the API takes either; Google's samples rely on it."""
    if isinstance(value, list):
        return [_with_lists(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [_with_lists(item)] if key in _LISTS and isinstance(item, dict) else _with_lists(item)
        for key, item in value.items()
    }


def _read_turns(contents: Any) -> list[Turn]:
    if not contents:
        raise _unable("at least one contents field is required")
    turns = [(content.role or "user", _read_text(content)) for content in contents]
    if not {role for role, _ in turns} <= {"user", "model"}:
        raise GoogleError(400, "Please use a valid role: user, model.")
    return turns


def _read_text(content: Any) -> str:
    for part in content.parts:
        if part.WhichOneof("data") not in {None, "text"}:
            raise _unable("the emulator reads text parts only")
    return "".join(part.text for part in content.parts if not part.thought)


def _check_ranges(config: Any) -> None:
    """Check the values Google checks; its words are quoted from error reports, not from a page."""
    for name, field, low, high in _RANGES:
        if field not in config:
            continue
        value = getattr(config, field)
        if not low <= value <= high:  # so written, it refuses NaN, too
            raise _out_of_range(name, value, low, high)
    if len(config.stop_sequences) > _MOST_STOPS:
        raise _unable(f"it has more than {_MOST_STOPS} stop sequences")


def _check_penalties(config: Any, base_model: str) -> None:
    if MODELS[base_model].accepts_penalties:
        return
    for name, field in (
        ("presencePenalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty"),
    ):
        if field in config:
            raise _unable(f"{name} is not supported by {base_model}")


def _out_of_range(name: str, value: float, low: float, high: float) -> GoogleError:
    text = f"it has a {name} value of {value:g} but the supported range is from {low} to {high}"
    return _unable(text, field=f"generation_config.{name}")


def _unable(reason: str, *, field: str = "") -> GoogleError:
    message = f"Unable to submit request because {reason}."
    violations = [Violation(field, message)] if field else []
    return GoogleError(400, message, violations=violations)
