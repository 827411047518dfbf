"""`python -m api`, as an operator runs it."""

import subprocess
from pathlib import Path

import pytest

from service.database import open_sessions
from service.errors import Unauthenticated
from service.migrations.upgrade import upgrade
from service.projects.audit import list_entries
from service.projects.operations import authenticate
from service.projects.schemas import Scope
from tests.support.processes import run_process

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'fresh.db'}"


def _run(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_process("api", arguments, env={"TUNECURVE_DATABASE_URL": url})


def test_the_first_migration_prints_one_key_and_the_second_none(database_url: str) -> None:
    first, second = _run(database_url, "migrate"), _run(database_url, "migrate")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    (line,) = first.stdout.splitlines()
    secret = line.removeprefix("key: ")
    assert secret.startswith("tunecurve_")
    assert second.stdout == ""
    sessions = open_sessions(database_url)
    assert authenticate(secret, sessions=sessions).scopes == frozenset(Scope)
    sessions.close()


def test_a_key_is_made_with_the_scopes_asked_for(database_url: str) -> None:
    _run(database_url, "migrate")

    made = _run(database_url, "key", "--name", "ci", "--scopes", "read,write", "--project", "lab")

    assert made.returncode == 0, made.stderr
    sessions = open_sessions(database_url)
    principal = authenticate(made.stdout.removeprefix("key: ").strip(), sessions=sessions)
    assert principal.scopes == {Scope.READ, Scope.WRITE}
    sessions.close()


def test_an_unknown_scope_is_refused_by_name(database_url: str) -> None:
    refused = _run(database_url, "key", "--name", "ci", "--scopes", "root")

    assert refused.returncode == 2
    assert "read,write,admin" in refused.stderr


def test_lost_admin_keys_are_replaced_by_one_and_the_others_stay(database_url: str) -> None:
    lost = _run(database_url, "migrate").stdout.removeprefix("key: ").strip()
    kept = _run(database_url, "key", "--name", "ci", "--scopes", "read").stdout.split()[1]

    reset = _run(database_url, "reset-key")

    assert reset.returncode == 0, reset.stderr
    sessions = open_sessions(database_url)
    fresh = authenticate(reset.stdout.removeprefix("key: ").strip(), sessions=sessions)
    assert (fresh.scopes, fresh.administers) == (frozenset(Scope), True)
    assert authenticate(kept, sessions=sessions).scopes == {Scope.READ}
    with pytest.raises(Unauthenticated):
        authenticate(lost, sessions=sessions)
    trail = list_entries(fresh.project_id, after=None, limit=9, sessions=sessions)
    assert fresh.key_id in {each.target[:30] for each in trail if each.action == "resetKeys"}
    sessions.close()


def test_keys_of_a_project_that_is_not_there_are_not_reset(database_url: str) -> None:
    _run(database_url, "migrate")

    refused = _run(database_url, "reset-key", "--project", "lba")

    assert (refused.returncode, refused.stderr) == (1, "no project named 'lba'\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com"])
def test_it_is_not_served_to_others_before_there_is_a_key(database_url: str, host: str) -> None:
    upgrade(database_url)

    refused = _run(database_url, "serve", "--host", host, "--port", "0")

    assert refused.returncode == 1
    assert "no key" in refused.stderr


def test_the_contract_is_printed_as_it_is_committed(database_url: str) -> None:
    printed = _run(database_url, "openapi")

    assert printed.stdout == (ROOT / "docs" / "openapi.json").read_text()


def test_a_home_folder_that_is_not_known_is_no_traceback() -> None:
    failed = run_process("api", ["migrate"], env={"TUNECURVE_DATA_DIR": "~no-such-person/data"})

    assert failed.returncode == 1
    assert "set HOME or TUNECURVE_DATA_DIR" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("url", "command", "words"),
    [
        ("mysql://u:secret@h/d", "serve", "no database has the scheme 'mysql'"),
        (
            "postgres://u:secret@127.0.0.1:1/d",
            "migrate",
            "nothing listens at the database's address",
        ),
    ],
)
def test_a_database_that_cannot_be_used_is_reported_in_a_sentence(
    url: str, command: str, words: str
) -> None:
    refused = _run(url, command)

    assert refused.returncode == 1
    assert words in refused.stderr
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr
