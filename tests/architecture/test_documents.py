"""The documents speak of this tree: what they point to is there."""

import re
from pathlib import Path

from typer.core import TyperGroup as Group
from typer.main import get_command

from api.version import VERSION
from tests.architecture.tree import ROOT, SHIPPED, repository_files, text_of
from tunecurve.cli import app

LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
CODE = re.compile(r"`([^`\s<>{}…]+/[^`\s<>{}…]*)`")
COMMAND = re.compile(r"(?:^\s*(?:\.venv/bin/)?|`)tunecurve ([a-z][^`\n|#]*)", re.MULTILINE)
TEST = re.compile(r"`(tests/[^`:]+\.py)::([^`]+)`")
TOP = {*SHIPPED, "docs", "tests", ".ci"}
SECTIONS = ["## Context", "## Decision", "## Consequences", "## Alternatives"]


def _documents() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def _decisions() -> list[Path]:
    return [path for path in _documents() if path.parent == Path("docs/decisions")]


def test_links_lead_somewhere() -> None:
    broken = [
        f"{path}: {link}"
        for path in _documents()
        for link in LINK.findall(text_of(path))
        if not (ROOT / path.parent / link).exists()
    ]

    assert broken == []


def test_paths_that_are_named_exist() -> None:
    missing = [
        f"{path}: {named}"
        for path in _documents()
        for named in CODE.findall(text_of(path))
        if named.split("/")[0] in TOP and not (ROOT / named.partition("::")[0]).exists()
    ]

    assert missing == []


def test_tests_that_are_named_exist() -> None:
    named = {(path, *match) for path in _documents() for match in TEST.findall(text_of(path))}
    absent = [
        f"{path}: {file}::{name}"
        for path, file, name in sorted(named)
        if not re.search(rf"^def {name}\b", text_of(Path(file)), re.MULTILINE)
    ]

    assert absent == []
    attacks = [line for line in text_of(Path("docs/attacks.md")).splitlines() if "|" in line]
    untested = [line for line in attacks if "`tests/" not in line and "test |" not in line]
    assert [line for line in untested if not line.startswith("|---")] == []


def test_commands_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(Path("Makefile")), re.MULTILINE))
    # Only code is a command: prose may "make files", too.
    fenced = re.compile(r"^make ([a-z-]+)|`make ([a-z-]+)", re.MULTILINE)
    named = {
        first or second for path in _documents() for first, second in fenced.findall(text_of(path))
    }

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_verbs_and_options_of_the_command_that_are_named_exist() -> None:
    named = {
        (path, line)
        for path in _documents()
        if path.name != "CHANGELOG.md"
        for line in COMMAND.findall(text_of(path))
    }
    wrong = [f"{path}: tunecurve {line}" for path, line in sorted(named) if not _is_known(line)]

    assert len(named) > 30
    assert wrong == []


def _is_known(line: str) -> bool:
    """Return whether the command has the verbs and the options that a line begins with."""
    command = get_command(app)
    words = [word.partition("=")[0].rstrip(".,;:)") for word in line.split()]
    while words and isinstance(command, Group):
        found = command.commands.get(words.pop(0))
        if found is None:
            return False
        command = found
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return {word for word in words if word.startswith("--")} <= {*options, "--help"}


def test_decisions_are_numbered_without_gaps_and_all_of_one_form() -> None:
    pages = _decisions()

    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        lines = text_of(page).splitlines()
        assert lines[0].startswith(f"# {page.name[:4]} "), page
        assert [line for line in lines if line.startswith("## ")] == SECTIONS, page


def test_the_newest_entry_of_the_changelog_is_the_version_that_ships() -> None:
    entries = re.findall(
        r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", text_of(Path("CHANGELOG.md")), re.MULTILINE
    )

    assert entries[0] == VERSION
