"""Rules of the house that no linter has: sizes, names, openings, and what is never committed."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from tests.architecture.tree import (
    ROOT,
    SHIPPED,
    modules,
    repository_files,
    shipped_modules,
    text_of,
)

LINES = 300
LINES_OF_A_TEST = 500  # a list of independent cases, read one at a time


class Longer(NamedTuple):
    lines: int
    reason: str


# An exception is a file of one idea that reads worse in two; the limit says how far it may grow.
LONGER = {
    "service/migrations/versions/0001_first_tables.py": Longer(
        450, "every table, as generated; never edited again"
    ),
}

# What other people's programs import: `from tunecurve import Client`.
PUBLIC_DOOR = Path("tunecurve/__init__.py")

# Written in pieces, so that this file does not find itself.
LOOSE_ENDS = re.compile(
    r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|pragma: *no *cover|NotImplemented" r"Error"
)
VAGUE = re.compile(r"(?:.*_)?(?:utils?|helpers?|common|managers?|misc)|base")
VAGUE_CLASS = re.compile(r"\w*(?:Manager|Helper|Utils?)")
HTTPX_CALL = re.compile(r"httpx2?\.(?:(?:Async)?Client|get|post|put|patch|delete|request|stream)")
BARE_NOQA = re.compile(r"#\s*noqa\b(?!:\s*[A-Z]+[0-9]+)", re.IGNORECASE)

# An index is the installer's business: a committed address would send everybody to ours.
INDEX = re.compile(
    r"(?<!no-emit)-(?:extra-)?index-url|INDEX_[U]RL"
    r"|\b(?:pypi|pythonhosted|npmjs|anaconda)\.(?:org|com)\b"
    r"|arti[f]actory|nexus/[r]epository|://\S+/[s]imple\b",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:work|home|root|Users|mnt)/\w")


def _matches(pattern: re.Pattern[str], paths: tuple[Path, ...]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]


def _length(path: Path) -> int:
    return len(text_of(path).splitlines())


def _limit(path: Path) -> int:
    if path.as_posix() in LONGER:
        return LONGER[path.as_posix()].lines
    if path.parts[0] == "tests":
        return LINES_OF_A_TEST
    return LINES


def test_every_module_opens_by_saying_what_it_is() -> None:
    silent = [
        str(path)
        for path in modules()
        if not ast.get_docstring(ast.parse(text_of(path)), clean=True)
    ]

    assert silent == []


def test_a_package_says_what_it_is_and_nothing_else() -> None:
    busy = [
        str(path)
        for path in modules()
        if path.name == "__init__.py"
        and path != PUBLIC_DOOR
        and len(ast.parse(text_of(path)).body) != 1
    ]

    assert busy == []


def test_files_are_short_enough_to_be_read_in_one_go() -> None:
    long = {
        str(path): f"{_length(path)} lines, limit {_limit(path)}"
        for path in modules()
        if _length(path) > _limit(path)
    }

    assert long == {}


def test_an_exception_of_length_is_dropped_when_it_is_no_longer_needed() -> None:
    idle = [name for name in LONGER if not (ROOT / name).is_file() or _length(Path(name)) <= LINES]

    assert idle == []


def test_no_loose_ends_are_shipped() -> None:
    scripts = tuple(
        path
        for path in repository_files()
        if path.parts[0] in {"bench", ".ci"} or path.name in {"Makefile", "Dockerfile"}
    )

    assert _matches(LOOSE_ENDS, (*shipped_modules(), *scripts)) == []


def test_names_say_what_is_inside() -> None:
    paths = modules()
    vague = {
        str(path)
        for path in paths
        if any(VAGUE.fullmatch(part) for part in (*path.parts[:-1], path.stem))
    }
    vague |= {
        f"{path}: {node.name}"
        for path in paths
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ClassDef) and VAGUE_CLASS.fullmatch(node.name)
    }

    assert vague == set()


def test_every_folder_of_modules_is_a_package() -> None:
    by_path = {"service/migrations/versions"}  # Alembic loads these files by their path
    folders = {path.parent for path in modules() if path.parts[0] in {*SHIPPED, "tests"}}
    bare = {path.as_posix() for path in folders if not (ROOT / path / "__init__.py").is_file()}

    assert bare - by_path == set()


def test_no_address_of_a_package_index_is_committed() -> None:
    assert _matches(INDEX, repository_files()) == []


def test_no_path_of_somebodys_machine_is_committed() -> None:
    assert _matches(MACHINE_PATH, repository_files()) == []


def test_a_silenced_rule_is_named() -> None:
    assert _matches(BARE_NOQA, modules()) == []


def test_a_test_that_asks_over_http_says_how_long_it_waits() -> None:
    """By itself httpx waits 5 s, which a busy machine exceeds."""
    paths = [path for path in modules() if path.parts[0] == "tests" and "httpx" in text_of(path)]
    calls = [
        (path, node)
        for path in paths
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Call) and HTTPX_CALL.fullmatch(ast.unparse(node.func))
    ]

    assert calls
    assert [
        f"{path}:{node.lineno}"
        for path, node in calls
        if not {"timeout", None} & {keyword.arg for keyword in node.keywords}
    ] == []
