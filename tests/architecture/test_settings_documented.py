"""The README's table of settings is the settings class, name by name and default by default."""

import re
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import Settings
from tests.architecture.tree import repository_files, text_of

README = Path("README.md")
ROW = re.compile(r"^\| `(TUNECURVE_[A-Z_]+)` \| (.*?) \| (.+?) \|$", re.MULTILINE)
NAME = re.compile(r"\bTUNECURVE_[A-Z]+(?:_[A-Z]+)*\b")
SPEAKING = {"tunecurve", "emulator", "service", "api", "workers"}  # whose code names settings


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(str(part) for part in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if str(value) else "empty"


def _table() -> dict[str, str]:
    return {name: default for name, default, _ in ROW.findall(text_of(README))}


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    settings = {
        f"TUNECURVE_{name.upper()}": _default(field)
        for name, field in Settings.model_fields.items()
    }

    assert {name: _table().get(name) for name in settings} == settings


def test_the_readme_names_no_setting_that_nobody_reads() -> None:
    read = {f"TUNECURVE_{name.upper()}" for name in Settings.model_fields}
    read |= _named_outside()

    assert set(NAME.findall(text_of(README))) - read == set()


def test_every_variable_that_is_read_anywhere_is_in_the_readme() -> None:
    assert _named_outside() - set(NAME.findall(text_of(README))) == set()


def _named_outside() -> set[str]:
    """Return the variables that code, containers and the example file name."""
    speaking = [
        path
        for path in repository_files()
        if (path.suffix == ".py" and path.parts[0] in SPEAKING)
        or path.name in {"docker-compose.yml", ".env.example"}
    ]
    return {name for path in speaking for name in NAME.findall(text_of(path))}
