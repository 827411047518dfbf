"""What can be turned while the server runs, with its checks."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from emulator.errors import GoogleError, Violation


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds; `requests_per_minute` counts per base model, and None means no quota.

    `latency_seconds` is the median of a generation, `latency_sigma` the width of its lognormal.
    `tuning_seconds` is the least time a tuning is RUNNING, `pending_seconds` the least time before.
    """

    latency_seconds: float = 0.0
    latency_sigma: float = 0.0
    seed: int = 0
    tuning_seconds: float = 0.5
    pending_seconds: float = 0.0
    requests_per_minute: float | None = None
    burst_seconds: float = 1.0
    concurrent_tunings: int = 4

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_duration(value: object) -> bool:
    return _is_number(value) and isinstance(value, int | float) and value >= 0


def _is_rate(value: object) -> bool:
    return value is None or (_is_number(value) and isinstance(value, int | float) and value > 0)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_whole(value) and value >= 1


_CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "latency_seconds": (_is_duration, "a number of at least 0"),
    "latency_sigma": (_is_duration, "a number of at least 0"),
    "seed": (_is_whole, "a whole number"),
    "tuning_seconds": (_is_duration, "a number of at least 0"),
    "pending_seconds": (_is_duration, "a number of at least 0"),
    "requests_per_minute": (_is_rate, "a number above 0, or null for no quota"),
    "burst_seconds": (_is_duration, "a number of at least 0"),
    "concurrent_tunings": (_is_count, "a whole number of at least 1"),
}


def change_settings(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Return the settings with the changes applied: all of them or none.

    Raises GoogleError 400 naming an unknown setting or a value of the wrong type.
    """
    violations = [
        violation for name, value in changes.items() if (violation := _violation(name, value))
    ]
    if violations:
        message = " ".join(violation.description for violation in violations)
        raise GoogleError(400, message, violations=violations)
    known: dict[str, Any] = dict(changes)
    return replace(settings, **known)


def _violation(name: str, value: object) -> Violation | None:
    if name not in _CHECKS:
        return Violation(name, f"no setting named {name!r}; known: {', '.join(sorted(_CHECKS))}.")
    is_valid, wanted = _CHECKS[name]
    return None if is_valid(value) else Violation(name, f"{name} must be {wanted}.")
