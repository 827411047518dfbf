"""What can be turned while the server runs, for all models or for one, with its checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from emulator.catalogue import MODELS
from emulator.errors import GoogleError, Violation

TUNING_OUTCOMES = (
    "succeed",
    "bad_file",
    "error_before_upload",
    "error_after_upload",
    "partially_succeed",
    "expire",
)
FORBIDDEN = ("nothing", "storage", "storage_writes", "tunings", "impersonation")


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds; quotas count per base model and None means none; rates are from 0 to 1.

    docs/emulator.md says what each of them does. `models` holds what differs for a base model.
    """

    latency_seconds: float = 0.0
    latency_sigma: float = 0.0
    seed: int = 0
    clock_speed: float = 1.0
    tuning_seconds: float = 0.5
    pending_seconds: float = 0.0
    concurrent_tunings: int = 1
    default_epochs: int | None = None
    tuning_quota: str = "wait"
    answer: str = "model"
    tuning_outcome: str = "succeed"
    tuning_outcome_rate: float = 1.0
    forbidden: str = "nothing"
    missing_file: str = "refuse"
    cancel_outcome: str = "cancel"
    cancel_seconds: float = 0.0
    batch_seconds: float = 0.0
    batch_error_rate: float = 0.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_seconds: float = 1.0
    concurrent_requests: int | None = None
    requests_per_day: int | None = None
    shared_requests_per_minute: float | None = None
    shared_variation: float = 0.5
    shared_window_seconds: float = 10.0
    error_500_rate: float = 0.0
    error_503_rate: float = 0.0
    drop_before_rate: float = 0.0
    drop_after_rate: float = 0.0
    truncate_rate: float = 0.0
    malformed_body_rate: float = 0.0
    malformed_text_rate: float = 0.0
    hang_rate: float = 0.0
    hang_seconds: float = 60.0
    safety_rate: float = 0.0
    recitation_rate: float = 0.0
    thinking_rate: float = 0.0
    prompt_block_rate: float = 0.0
    empty_rate: float = 0.0
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of_model(self, base_model: str) -> "Settings":
        """Return what holds for a base model and the endpoints of its tuned models."""
        own = self.models.get(base_model)
        return replace(self, models={}, **own) if own else self


@dataclass(frozen=True, slots=True)
class _Rule:
    expected: str
    holds: Callable[[Any], bool]
    flag: type = float


_LONGEST_SECONDS = 1e9
_LARGEST_COUNT = 10**12


def _number(low: float, high: float, *, expected: str, optional: bool = False) -> _Rule:
    """Ask for a number; comparing also shuts out NaN, infinities and integers beyond counting."""

    def holds(value: Any) -> bool:
        if value is None:
            return optional
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and low <= value <= high

    return _Rule(expected, holds)


def _whole(low: int, high: int, *, expected: str, optional: bool = False) -> _Rule:
    def holds(value: Any) -> bool:
        if value is None:
            return optional
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _Rule(expected, holds, int)


def _choice(*names: str) -> _Rule:
    return _Rule(f"one of {', '.join(names)}", lambda value: value in names, str)


_SMALLEST = 1e-9
_DURATION = _number(0, _LONGEST_SECONDS, expected="a number of at least 0 (and at most 1e9)")
_RATE = _number(0, 1, expected="a number from 0 to 1")
_QUOTA = _number(
    _SMALLEST, _LARGEST_COUNT, expected="a number above 0, or null for no quota", optional=True
)
_COUNT = _whole(1, _LARGEST_COUNT, expected="a whole number of at least 1")
_LIMIT = _whole(
    1, _LARGEST_COUNT, expected="a whole number of at least 1, or null for no limit", optional=True
)
_RULES: Mapping[str, _Rule] = {
    "latency_seconds": _DURATION,
    "latency_sigma": _number(0, 10, expected="a number of at least 0 (and at most 10)"),
    "seed": _whole(-(2**63), 2**63, expected="a whole number of 64 bits"),
    "clock_speed": _number(0.001, 100_000, expected="a number from 0.001 to 100000"),
    "tuning_seconds": _DURATION,
    "pending_seconds": _DURATION,
    "concurrent_tunings": _COUNT,
    "default_epochs": _LIMIT,
    "tuning_quota": _choice("wait", "refuse"),
    "answer": _choice("model", "constant"),
    "tuning_outcome": _choice(*TUNING_OUTCOMES),
    "tuning_outcome_rate": _RATE,
    "forbidden": _choice(*FORBIDDEN),
    "missing_file": _choice("refuse", "fail"),
    "cancel_outcome": _choice("cancel", "succeed"),
    "cancel_seconds": _DURATION,
    "batch_seconds": _DURATION,
    "requests_per_minute": _QUOTA,
    "tokens_per_minute": _QUOTA,
    "burst_seconds": _DURATION,
    "concurrent_requests": _LIMIT,
    "requests_per_day": _LIMIT,
    "shared_requests_per_minute": _QUOTA,
    "shared_variation": _RATE,
    "shared_window_seconds": _number(0.01, _LONGEST_SECONDS, expected="a number of at least 0.01"),
    "hang_seconds": _DURATION,
} | dict.fromkeys(
    (
        "batch_error_rate",
        "error_500_rate",
        "error_503_rate",
        "drop_before_rate",
        "drop_after_rate",
        "truncate_rate",
        "malformed_body_rate",
        "malformed_text_rate",
        "hang_rate",
        "safety_rate",
        "recitation_rate",
        "thinking_rate",
        "prompt_block_rate",
        "empty_rate",
    ),
    _RATE,
)
_OF_THE_SERVER = frozenset(
    {
        "seed",
        "clock_speed",
        "concurrent_tunings",
        "default_epochs",
        "tuning_quota",
        "missing_file",
        "answer",
        "forbidden",
    }
)
_OF_A_MODEL = frozenset(_RULES) - _OF_THE_SERVER


def flag_types() -> dict[str, type]:
    """Return the settings a command line can give, with the type of their text."""
    return {each.name: _RULES[each.name].flag for each in fields(Settings) if each.name in _RULES}


def change_settings(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Return the settings with the changes applied: all of them or none.

    `{"models": {NAME: {...}}}` adds to what is set for that base model, `{NAME: null}` takes it all
    back. Raises GoogleError 400 naming an unknown setting or a value of the wrong type.
    """
    flat = {name: value for name, value in changes.items() if name != "models"}
    models = changes.get("models", {})
    violations = _violations(flat, known=frozenset(_RULES), place="") + _model_violations(models)
    if violations:
        message = " ".join(violation.description for violation in violations)
        raise GoogleError(400, message, violations=violations)
    known: dict[str, Any] = dict(flat)
    return replace(settings, models=_merged(settings.models, models), **known)


def _merged(present: Mapping[str, Mapping[str, Any]], changes: Any) -> dict[str, dict[str, Any]]:
    merged = {name: dict(own) for name, own in present.items()}
    for name, own in changes.items():
        if own is None:
            merged.pop(name, None)
        else:
            merged[name] = merged.get(name, {}) | own
    return merged


def _model_violations(models: object) -> list[Violation]:
    if not isinstance(models, dict):
        return [Violation("models", "models must be an object of base models.")]
    violations = []
    for name, own in models.items():
        place = f"models.{name}"
        if name not in MODELS:
            text = f"no base model named {name!r}; known: {', '.join(sorted(MODELS))}."
            violations.append(Violation(place, text))
        elif not isinstance(own, dict | None):
            violations.append(Violation(place, f"{place} must be an object of settings, or null."))
        elif own:
            violations += _violations(own, known=_OF_A_MODEL, place=f"{place}.")
    return violations


def _violations(
    changes: Mapping[str, object], *, known: frozenset[str], place: str
) -> list[Violation]:
    violations = []
    for name, value in changes.items():
        where = f"{place}{name}"
        if name not in known:
            names = ", ".join(sorted(known))
            violations.append(Violation(where, f"no setting named {where!r}; known: {names}."))
        elif not _RULES[name].holds(value):
            violations.append(Violation(where, f"{where} must be {_RULES[name].expected}."))
    return violations
