"""The page of settings is the settings class, and names every variable that is read."""

import re
from pathlib import Path

from api.environment import settings_page
from service.settings import Settings
from tests.architecture.tree import repository_files, text_of

PAGE = Path("docs/settings.md")
README = Path("README.md")
OTHERS = {"docker-compose.yml", ".env.example"}
NAME = re.compile(r"\bTUNECURVE_[A-Z]+(?:_[A-Z]+)*\b")
SPEAKING = {"tunecurve", "emulator", "service", "api", "workers"}  # whose code names settings


def test_the_page_of_settings_is_what_the_class_says() -> None:
    assert text_of(PAGE) == settings_page(), "run `make settings`"


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_documents_name_no_setting_that_nobody_reads() -> None:
    read = {f"TUNECURVE_{name.upper()}" for name in Settings.model_fields}
    read |= _named_outside()

    assert set(NAME.findall(text_of(PAGE) + text_of(README))) - read == set()


def test_every_variable_that_is_read_anywhere_is_on_the_page() -> None:
    assert _named_outside() - set(NAME.findall(text_of(PAGE))) == set()


def _named_outside() -> set[str]:
    """Return the variables that code, containers and the example file name."""
    speaking = [
        path
        for path in repository_files()
        if ((path.suffix == ".py" and path.parts[0] in SPEAKING) or path.name in OTHERS)
        and path != Path("api/environment.py")
    ]
    return {name for path in speaking for name in NAME.findall(text_of(path))}
