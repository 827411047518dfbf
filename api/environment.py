"""Environment variables: the page of them all, `docs/settings.md`, and those that look like
settings and are none.
"""

import os
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import Settings

_HEAD = """# Settings

Settings are environment variables, or lines of a `.env` file in the folder you start from.
This page is written by `make settings`.

## Service

| Variable | Default | Meaning |
|---|---|---|
"""
# Those of the client, the command, the containers, and Google.
_OTHERS = {
    "TUNECURVE_URL": "the server of client and command; without it the stack on this machine",
    "TUNECURVE_KEY": "the API key for that server",
    "TUNECURVE_DEBUG": "`1` prints a traceback where the command meets a defect",
    "TUNECURVE_POSTGRES_PASSWORD": "of the database in `docker-compose.yml`",
    "TUNECURVE_PYTHON_IMAGE": "base image of ours in `docker-compose.yml` (`make image-digests`)",
    "TUNECURVE_POSTGRES_IMAGE": "image of the database there",
    "TUNECURVE_REDIS_IMAGE": "image of the broker there",
    "STORAGE_EMULATOR_HOST": ("Google's own: an emulator of Cloud Storage; `tunecurve up` sets it"),
    "GOOGLE_CLOUD_PROJECT": "in `.env` of the containers: the project that pays",
}
_FOOT = """
## Client and containers

| Variable | Meaning |
|---|---|
"""


def settings_page() -> str:
    """Return the page as Markdown; a test compares it with the file."""
    others = (f"| `{name}` | {meaning} |" for name, meaning in _OTHERS.items())
    return "".join(
        [_HEAD, *(f"{row}\n" for row in _rows()), _FOOT, *(f"{row}\n" for row in others)]
    )


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        yield f"| `TUNECURVE_{name.upper()}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(str(part) for part in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if str(value) else "empty"


def unknown_settings() -> list[str]:
    """Return a sentence for each variable `TUNECURVE_…` that no setting reads."""
    known = {f"TUNECURVE_{name.upper()}" for name in Settings.model_fields} | _OTHERS.keys()
    given = {name for name in os.environ if name.startswith("TUNECURVE_")}  # noqa: TID251  their names only
    return [
        f"{name} is no setting{_nearest(name, known)}; docs/settings.md has them all"
        for name in sorted(given - known)
    ]


def _nearest(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f", {close[0]} is" if close else ""
