"""The audit trail: every change, export and failed authentication, which never changes."""

import pytest
from sqlalchemy import text

from service.clock import utc_now
from service.errors import TunecurveError
from service.projects.audit import purge_entries
from service.projects.schemas import Scope
from tests.api.server import PREPARE, Api, Caller, Json

CANARY = "Kanarienvogel7391"


def trail(caller: Caller) -> list[Json]:
    found: list[Json] = caller.get("/v1/audit", params={"limit": 100}).json()["data"]
    return found


def test_changes_exports_and_failures_are_in_the_trail(api: Api, caller: Caller) -> None:
    own = caller.get("/v1/me").json()["key"]
    made = caller.post("/v1/keys", {"name": "nightly", "scopes": ["read"]}).json()
    file_id = caller.upload(f"text,target\n{CANARY},b\n".encode()).json()["id"]
    assert caller.get(f"/v1/files/{file_id}/content").status_code == 200
    assert caller.delete(f"/v1/files/{file_id}").status_code == 200
    assert caller.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert api.get("/v1/jobs", headers={"Authorization": "Bearer wrong"}).status_code == 401

    entries = trail(caller)
    recorded = [(each["action"], each["target"]) for each in entries]
    assert recorded == [
        ("authenticate", ""),
        ("revokeKey", made["id"]),
        ("deleteFile", file_id),
        ("getFileContent", file_id),
        ("createFile", ""),
        ("createKey", made["id"]),
        ("keyFirstUsed", own),
    ]
    assert {each["key_id"] for each in entries[1:]} == {own}
    assert {each["address"] for each in entries[:-1]} == {"127.0.0.1"}
    assert CANARY not in str(entries)


def test_a_submission_is_in_the_trail_once_and_a_repeated_one_beside_it(caller: Caller) -> None:
    """The first is written with its job: neither is there without the other."""
    body, key = {"kind": "prepare", "spec": PREPARE}, {"Idempotency-Key": "once"}

    first, again = (caller.post("/v1/jobs", body, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    absent = {"type": "file", "file_id": "file_01m8kr88srfp5s7x47ezfjhehz"}
    refused = caller.post("/v1/jobs", body | {"spec": PREPARE | {"source": absent}})
    assert refused.json()["code"] == "input_not_found"
    recorded = [each["target"] for each in trail(caller) if each["action"] == "createJob"]

    assert recorded == ["", first.json()["id"]]


def test_a_project_reads_its_own_trail_and_an_administrator_all(api: Api, caller: Caller) -> None:
    support = api.caller("support")
    support.post("/v1/keys", {"name": "another", "scopes": ["read"]})
    reader = api.caller("support", Scope.READ)

    assert {each["project_id"] for each in trail(support)} == {support.project_id}
    assert support.project_id in {each["project_id"] for each in trail(caller)}
    assert reader.get("/v1/audit").status_code == 403


def test_entries_are_never_changed_and_go_when_they_are_old(api: Api, caller: Caller) -> None:
    caller.post("/v1/keys", {"name": "another", "scopes": ["read"]})
    sessions = api.services.sessions

    with pytest.raises(TunecurveError), sessions.transaction() as session:
        session.execute(text("UPDATE audit_entry SET action = 'nothing'"))

    assert "createKey" in {each["action"] for each in trail(caller)}
    purge_entries(utc_now(), sessions=sessions)
    assert trail(caller) == []
