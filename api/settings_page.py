"""The page `docs/settings.md`: every setting with its default and meaning."""

from collections.abc import Iterator

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
_FOOT = """
## Client and containers

| Variable | Meaning |
|---|---|
| `TUNECURVE_URL` | the server of client and command; without it the stack on this machine |
| `TUNECURVE_KEY` | the API key for that server |
| `TUNECURVE_DEBUG` | `1` prints a traceback where the command meets a defect |
| `TUNECURVE_POSTGRES_PASSWORD` | of the database in `docker-compose.yml` |
| `TUNECURVE_PYTHON_IMAGE` | base image of ours in `docker-compose.yml` (`make image-digests`) |
| `TUNECURVE_POSTGRES_IMAGE` | image of the database there |
| `TUNECURVE_REDIS_IMAGE` | image of the broker there |
| `STORAGE_EMULATOR_HOST` | Google's own: an emulator of Cloud Storage; `tunecurve up` sets it |
| `GOOGLE_CLOUD_PROJECT` | in `.env` of the containers: the project that pays |
"""


def settings_page() -> str:
    """Return the page as Markdown; a test compares it with the file."""
    return _HEAD + "".join(f"{row}\n" for row in _rows()) + _FOOT


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
