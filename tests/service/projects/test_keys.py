"""The life of a key, on both databases."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pydantic import ValidationError

from service.clock import utc_now
from service.database import Sessions
from service.errors import Forbidden, Invalid, NotFound, Unauthenticated
from service.projects.keys import new_secret, public_part
from service.projects.models import ApiKey
from service.projects.operations import (
    authenticate,
    create_key,
    ensure_project,
    has_keys,
    list_keys,
    revoke_key,
)
from service.projects.schemas import KeyCreate, KeyWithSecret, Principal, Scope


@pytest.fixture
def project_id(sessions: Sessions) -> str:
    return ensure_project("default", sessions=sessions)


def make_key(sessions: Sessions, project_id: str, **more: object) -> KeyWithSecret:
    asked = {"name": "test", "scopes": [Scope.READ], **more}
    return create_key(project_id, sessions=sessions, **asked)  # type: ignore[arg-type]  # a test's shorthand


def refusal(secret: str, sessions: Sessions, **more: object) -> str:
    with pytest.raises(Unauthenticated) as caught:
        authenticate(secret, sessions=sessions, **more)  # type: ignore[arg-type]  # a test's shorthand
    return caught.value.message


def test_a_project_is_made_once_however_many_ask(sessions: Sessions) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: ensure_project("team", sessions=sessions), range(8)))
    assert len(ids) == 1
    assert ensure_project("another", sessions=sessions) not in ids


def test_a_key_opens_its_project_with_its_scopes(sessions: Sessions, project_id: str) -> None:
    key = make_key(sessions, project_id, scopes=[Scope.WRITE, Scope.READ, Scope.READ])
    assert authenticate(key.secret, sessions=sessions) == Principal(
        project_id=project_id,
        key_id=key.id,
        scopes=frozenset({Scope.READ, Scope.WRITE}),
        administers=True,
    )
    assert key.scopes == [Scope.READ, Scope.WRITE]


def test_a_secret_has_its_documented_form_and_is_not_stored(
    sessions: Sessions, project_id: str
) -> None:
    key = make_key(sessions, project_id)
    assert re.fullmatch(r"tunecurve_[a-z0-9]{10}_[0-9A-Za-z]{49}", key.secret)
    assert key.secret.startswith(key.prefix)
    assert key.secret not in repr(key)
    with sessions.reading() as session:
        row = session.get(ApiKey, key.id)
        assert row is not None
        assert key.secret.split("_")[2] not in repr(vars(row))


def test_every_refusal_reads_the_same(sessions: Sessions, project_id: str) -> None:
    now = utc_now()
    revoked = make_key(sessions, project_id)
    revoke_key(revoked.id, project_id=project_id, sessions=sessions)
    expiring = make_key(sessions, project_id, expires_at=now + timedelta(hours=1))
    later = now + timedelta(hours=1)
    other, mine = new_secret(), make_key(sessions, project_id).secret
    messages = {
        refusal("", sessions),
        refusal("tunecurve_é", sessions),
        refusal(mine[:-1] + ("0" if mine[-1] != "0" else "1"), sessions),
        refusal(other, sessions),
        refusal(revoked.secret, sessions),
        refusal(expiring.secret, sessions, now=later),
    }
    assert len(messages) == 1
    assert authenticate(expiring.secret, sessions=sessions, now=now).key_id == expiring.id


def test_a_known_public_part_with_another_secret_is_refused(
    sessions: Sessions, project_id: str
) -> None:
    key = make_key(sessions, project_id)
    stranger = new_secret()
    with sessions.transaction() as session:
        row = session.get(ApiKey, key.id)
        assert row is not None
        row.public_part = public_part(stranger) or ""
    refusal(stranger, sessions)


def test_a_mistyped_secret_fails_its_checksum() -> None:
    secret = new_secret()
    assert public_part(secret) == secret.split("_")[1]
    for place in range(22, len(secret)):
        changed = "a" if secret[place] != "a" else "b"
        assert public_part(secret[:place] + changed + secret[place + 1 :]) is None


def test_use_is_noted_at_most_once_a_minute(sessions: Sessions, project_id: str) -> None:
    key, start = make_key(sessions, project_id), utc_now()

    def last_used(after_seconds: float) -> float:
        authenticate(key.secret, sessions=sessions, now=start + timedelta(seconds=after_seconds))
        noted = list_keys(project_id, sessions=sessions)[0].last_used_at
        assert noted is not None
        return (noted - start).total_seconds()

    assert [last_used(seconds) for seconds in (0, 30, 59, 61, 100)] == [0, 0, 0, 61, 61]


def test_keys_are_listed_page_by_page_newest_first(sessions: Sessions, project_id: str) -> None:
    made = [make_key(sessions, project_id).id for _ in range(5)]
    make_key(sessions, ensure_project("foreign", sessions=sessions))
    first = [key.id for key in list_keys(project_id, limit=3, sessions=sessions)]
    rest = [key.id for key in list_keys(project_id, after=first[-1], sessions=sessions)]
    assert first + rest == made[::-1]


def test_a_revoked_key_stays_listed_and_revoking_twice_is_harmless(
    sessions: Sessions, project_id: str
) -> None:
    key = make_key(sessions, project_id)
    assert has_keys(project_id, sessions=sessions)
    revoke_key(key.id, project_id=project_id, sessions=sessions)
    first = list_keys(project_id, sessions=sessions)[0].revoked_at
    revoke_key(key.id, project_id=project_id, sessions=sessions)
    assert list_keys(project_id, sessions=sessions)[0].revoked_at == first is not None
    assert not has_keys(project_id, sessions=sessions)


def test_a_foreign_projects_key_cannot_be_revoked(sessions: Sessions, project_id: str) -> None:
    key = make_key(sessions, project_id)
    foreign = ensure_project("foreign", sessions=sessions)
    with pytest.raises(NotFound):
        revoke_key(key.id, project_id=foreign, sessions=sessions)
    assert authenticate(key.secret, sessions=sessions).key_id == key.id


def test_an_expiry_in_the_past_is_refused(sessions: Sessions, project_id: str) -> None:
    with pytest.raises(Invalid) as caught:
        make_key(sessions, project_id, expires_at=utc_now() - timedelta(seconds=1))
    assert caught.value.faults[0].pointer == "/expires_at"
    assert not has_keys(project_id, sessions=sessions)


def test_a_scope_that_was_not_given_is_refused_and_named() -> None:
    reader = Principal(project_id="p", key_id="k", scopes=frozenset({Scope.READ}))
    reader.require(Scope.READ)
    with pytest.raises(Forbidden, match="write") as caught:
        reader.require(Scope.WRITE)
    assert caught.value.code == "insufficient_scope"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00"},
        {"name": "a", "scopes": ["read"], "project": "x"},
    ],
)
def test_a_malformed_wish_for_a_key_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KeyCreate.model_validate(body)
