"""The environment that every process of the stack gets. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunecurve.errors import ConfigurationError

Environment = Mapping[str, str]

ROOT = Path(__file__).resolve().parents[2]

_EMULATOR_DEFAULTS = {
    "TUNECURVE_STORAGE": "gs://tunecurve/data",
    "TUNECURVE_GOOGLE_CLOUD_PROJECT": "tunecurve-local",
    "TUNECURVE_POLL_SECONDS": "1",
    "TUNECURVE_REQUESTS_PER_MINUTE": "6000",
}
_NEEDED_FOR_GOOGLE = ("TUNECURVE_GOOGLE_CLOUD_PROJECT", "TUNECURVE_STORAGE")


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found or started before the services: `emulator_url` is None with real Google."""

    folder: Path
    redis_url: str
    emulator_url: str | None
    master_key: str


def uses_emulator(environment: Environment, *, wanted: bool) -> bool:
    """True when the stack starts an emulator of its own.

    Raises ConfigurationError where it does not and the settings of real Google are missing.
    """
    if wanted and not environment.get("TUNECURVE_VERTEX_ENDPOINT"):
        return True
    missing = [name for name in _NEEDED_FOR_GOOGLE if not environment.get(name)]
    if missing:
        raise ConfigurationError(f"without the emulator, set {' and '.join(missing)}")
    return False


def process_environment(environment: Environment) -> dict[str, str]:
    """Return the environment with the checkout on the import path, and nothing of the folder the
    process happens to run in.
    """
    path = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **environment,
        "PYTHONPATH": ":".join(path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
    }


def stack_environment(environment: Environment, parts: Parts) -> dict[str, str]:
    """Return what the services get: what is set stays, the rest suits the embedded stack."""
    defaults = {"TUNECURVE_MASTER_KEY": parts.master_key}
    if parts.emulator_url is not None:
        defaults |= _EMULATOR_DEFAULTS
        defaults["STORAGE_EMULATOR_HOST"] = parts.emulator_url
        defaults["TUNECURVE_VERTEX_ENDPOINT"] = parts.emulator_url
    fixed = {
        "TUNECURVE_DATA_DIR": str(parts.folder),
        "TUNECURVE_REDIS_URL": parts.redis_url,
        "TUNECURVE_LOG_FORMAT": "json",
    }
    return {**defaults, **process_environment(environment), **fixed}
