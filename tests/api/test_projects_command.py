"""`tunecurve projects` against the API: an administrator makes, limits and removes a project."""

import io
import json
import re
from typing import Any

import pytest

from service.erasure.projects import has_closed_projects
from tests.api.server import Api, Caller
from tunecurve.cli import run
from tunecurve.errors import ExitCode

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)


def reported(
    api: Api, caller: Caller, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0
) -> tuple[Any, str]:
    """Run the command; return what it prints as JSON, and what it says. The API's log is left."""
    access = ("--url", api.url, "--key", caller.secret, "-o", "json")
    assert run(["projects", *words, *access]) == code
    printed = capsys.readouterr()
    own = LOG_LINE.sub("", printed.out)
    return json.loads(own) if own and not code else None, printed.err


def test_a_project_is_made_listed_limited_and_removed(
    api: Api, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = reported(api, caller, capsys, "create", "support", "--bucket", "support-data")
    support = Caller(api.http, made["id"], made["key"]["secret"])
    assert support.get("/v1/me").json()["project"] == made["id"]

    reported(api, caller, capsys, "limit", "support", "--open-jobs", "2", "--source-rows", "100")
    limited, _ = reported(api, caller, capsys, "limit", made["id"], "--source-rows", "none")
    assert {name: value for name, value in limited[0]["limits"].items() if value} == {
        "open_jobs": 2
    }
    listed, _ = reported(api, caller, capsys, "list")
    assert [each["name"] for each in listed] == ["support", "default"]
    assert listed[0]["buckets"] == ["support-data"]

    support.upload(b"text,target\na,b\n")
    plan, _ = reported(api, caller, capsys, "remove", "support", "--dry-run")
    assert (plan["state"], plan["contents"]["files"]) == ("planned", 1)
    assert not has_closed_projects(sessions=api.services.sessions)
    gone, _ = reported(api, caller, capsys, "remove", "support", "--yes")
    assert gone["state"] == "erasing"
    assert support.get("/v1/me").status_code == 401


def test_nothing_is_removed_without_a_yes_and_wrong_words_are_explained(
    api: Api,
    caller: Caller,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported(api, caller, capsys, "create", "support")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    _, said = reported(api, caller, capsys, "remove", "support", code=ExitCode.INTERRUPTED)
    assert "KIND" in said
    assert not has_closed_projects(sessions=api.services.sessions)
    for words, message in (
        (["remove", "suport", "--yes"], "no project 'suport'; known: default, support"),
        (["limit", "support"], "name a limit"),
        (["limit", "support", "--open-jobs", "ten"], "--open-jobs is a number or none, not 'ten'"),
    ):
        _, said = reported(api, caller, capsys, *words, code=ExitCode.USAGE)
        assert message in said
    other = api.caller("other")
    _, said = reported(api, other, capsys, "list", code=ExitCode.CONFIGURATION)
    assert "administer" in said
