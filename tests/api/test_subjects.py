"""Finding a text: every table and every object, however it is written there, and no word kept."""

import gzip
import io
import json
from typing import Any

import polars as pl
import pytest

from service.erasure.subjects.needle import Needle
from service.erasure.subjects.operations import find_subject
from service.errors import Invalid
from tests.api.outputs import finished_evaluation, prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, Json

NAME = 'Zoë "Kanarienvogel" O\'Néill'
WRITTEN = "ZOE\u0308  \u201cno\u201d"  # another text
SPEC: Json = {**PREPARE, "instruction": f"Mask {NAME}."}


def search(caller: Caller, text: str = NAME) -> list[Json]:
    """Return the places that the whole search names."""
    places: list[Json] = []
    after = None
    while True:
        answer = caller.post("/v1/subjects/search", {"text": text, "after": after})
        assert answer.status_code == 200, answer.text
        part = answer.json()
        assert part["unread"] == []
        places += part["places"]
        after = part["next"]
        if after is None:
            return places


def uploads(caller: Caller, *forms: str) -> dict[str, str]:
    """Upload the name as people write files, in these forms or all; return that of each file."""
    table = io.BytesIO()
    pl.DataFrame({"text": ["a", NAME]}).write_parquet(table)
    csv = f"text,target\n{'x' * 40},a\nO'Néill Zoë,b\nZoë Kanarienvogel,c\n"
    files = {
        "json": (json.dumps({"text": NAME}).encode(), "application/x-ndjson"),
        "plain": (f'{{"text": "ich bin {NAME[:3]}  kanarienvogel"}}'.encode(), "application/json"),
        "decomposed": ("text\nZoe\u0308 kanarienvogel\n".encode(), "text/csv"),
        "utf-16": (csv.encode("utf-16"), "text/csv"),
        "cp1252": (csv.encode("cp1252"), "text/csv"),
        "gzip": (gzip.compress(csv.encode()), "text/csv"),
        "parquet": (table.getvalue(), "application/vnd.apache.parquet"),
    }
    made = {}
    for form in forms or files:
        content, media_type = files[form]
        answer = caller.upload(content, media_type)
        assert answer.status_code == 201, (form, answer.text)
        made[answer.json()["id"]] = form
    return made


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Zoë Kanarienvogel", True),
        ("ZOE\u0308 \n kanarienvogel", True),
        (json.dumps("Zoë Kanarienvogel"), True),
        ("Zo&euml; Kanarienvogel", True),
        ("zo\u00eb\u00a0kanarienVOGEL", True),
        ("Zoe Kanarienvogel", False),
        (r"C:\new", False),
    ],
)
def test_a_text_is_found_however_it_is_written(written: str, found: bool) -> None:  # noqa: FBT001  a table
    assert Needle("zoë kanarienvogel").is_in(written) is found
    assert Needle("zoë kanarienvogel").is_in_value({"a": [1, None, {written: True}]}) is found


def test_a_backslash_is_not_always_an_escape() -> None:
    assert Needle(r"C:\new").is_in(r"see C:\new, please")


def test_files_are_searched_in_every_form(api: Api, caller: Caller) -> None:
    made = uploads(caller)

    found = search(caller, "Zoë Kanarienvogel")

    folders = [each["id"] for each in found if each["kind"] == "object"]
    assert len(folders) == len(made) - 2, found  # in two of them other signs stand between
    by_name = search(caller, "kanarienvogel")
    assert len(by_name) == len(made)
    assert {each["project_id"] for each in by_name} == {caller.project_id}


def test_specs_labels_predictions_and_what_was_made_of_them_are_found(
    api: Api, caller: Caller
) -> None:
    support = api.caller("support")
    dataset = prepared_dataset(api, support, instruction=f"Mask {NAME}.")
    evaluation = finished_evaluation(api, support, dataset["id"])

    places = search(caller)

    assert {("job", "spec"), ("dataset", "instruction")} <= {
        (each["kind"], each["field"]) for each in places
    }
    assert any(f"datasets/{dataset['id']}/" in each["id"] for each in places)
    assert {each["project_id"] for each in places} == {support.project_id}
    (answers,) = search(caller, "=answer 2")
    assert (answers["kind"], answers["count"]) == ("object", 1)
    assert evaluation in answers["id"]


def test_only_administrators_search_and_nothing_of_the_text_is_kept(
    api: Api, caller: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    text = {"text": "Kanarienvogel4711"}
    problem_of(api.caller("other").post("/v1/subjects/search", text), 403, "administrator_required")
    assert search(caller, text["text"]) == []
    for wrong in ({**text, "after": "Kanarienvogel4711"}, {"text": "x"}, {**text, "more": 1}):
        answer = caller.post("/v1/subjects/search", wrong)
        assert answer.status_code in {400, 422}
        assert "Kanarienvogel" not in answer.text
    assert search(caller, text["text"]) == []  # the audit trail has none of it either
    assert "Kanarienvogel" not in "".join(capfd.readouterr())


def test_a_search_continues_where_it_stopped(api: Api, caller: Caller) -> None:
    for _ in range(2):
        caller.submit("prepare", SPEC)
    uploads(caller, "json", "plain")
    where: dict[str, Any] = {"sessions": api.services.sessions, "store": api.services.store}
    whole = find_subject("kanarienvogel", after=None, **where)
    assert whole.next is None

    parts = [find_subject("kanarienvogel", after=None, seconds=0, **where)]
    while parts[-1].next is not None:
        parts.append(find_subject("kanarienvogel", after=parts[-1].next, seconds=0, **where))

    assert len(parts) > whole.objects
    assert [place for part in parts for place in part.places] == whole.places
    assert sum(part.rows for part in parts) == whole.rows
    with pytest.raises(Invalid, match="`after`"):
        find_subject("kanarienvogel", after="WzFd", **where)
