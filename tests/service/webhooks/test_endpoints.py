"""The life of an endpoint, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from service.clock import utc_now
from service.database import Sessions
from service.errors import Conflict, Invalid, NotFound, PreconditionFailed, Unavailable
from service.projects.operations import ensure_project
from service.webhooks.addresses import UrlRules
from service.webhooks.deliveries import due_deliveries, list_deliveries, redeliver
from service.webhooks.endpoints import (
    WEBHOOKS_LIMIT,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    rotate_secret,
    update_webhook,
)
from service.webhooks.event_log import list_events, record_event
from service.webhooks.schemas import (
    Redeliver,
    RotateSecret,
    Webhook,
    WebhookCreate,
    WebhookState,
    WebhookUpdate,
    WebhookWithSecret,
)
from service.webhooks.signatures import WebhookSecrets

URL = "https://hooks.example.com/a"


@pytest.fixture
def around(
    sessions: Sessions, project_id: str, secrets: WebhookSecrets, rules: UrlRules
) -> dict[str, Any]:
    """What `create_webhook` works with."""
    return {"project_id": project_id, "sessions": sessions, "secrets": secrets, "rules": rules}


def change(webhook: Webhook, around: dict[str, Any], **wanted: Any) -> Webhook:
    return update_webhook(
        webhook.id,
        WebhookUpdate(**wanted),
        expected_version=webhook.version,
        **{name: around[name] for name in ("project_id", "sessions", "rules")},
    )


def fresh(webhook: Webhook, around: dict[str, Any]) -> Webhook:
    return get_webhook(webhook.id, project_id=around["project_id"], sessions=around["sessions"])


def test_a_new_endpoint_hears_of_ends_and_shows_its_secret_once(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL), **around)
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert made.event_types == ["job.succeeded", "job.failed", "job.cancelled"]
    assert (made.state, made.version) == (WebhookState.ENABLED, 1)
    assert fresh(made, around).model_dump() == made.model_dump(exclude={"secret"})


def test_a_url_that_is_not_allowed_makes_nothing(around: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        create_webhook(WebhookCreate(url="https://169.254.169.254/"), **around)
    assert caught.value.code == "url_not_allowed"
    sessions, project_id = around["sessions"], around["project_id"]
    assert list_webhooks(project_id, sessions=sessions) == []


def test_without_a_master_key_no_endpoint_is_made(around: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="TUNECURVE_MASTER_KEY"):
        create_webhook(WebhookCreate(url=URL), **around | {"secrets": WebhookSecrets("")})
    assert list_webhooks(around["project_id"], sessions=around["sessions"]) == []


def test_a_project_has_a_limited_number_of_endpoints(around: dict[str, Any]) -> None:
    for _ in range(WEBHOOKS_LIMIT):
        create_webhook(WebhookCreate(url=URL), **around)
    with pytest.raises(Conflict) as caught:
        create_webhook(WebhookCreate(url=URL), **around)
    assert caught.value.code == "too_many_webhooks"


def test_endpoints_are_listed_page_by_page_newest_first(around: dict[str, Any]) -> None:
    made = [create_webhook(WebhookCreate(url=URL), **around).id for _ in range(4)]
    project_id, sessions = around["project_id"], around["sessions"]
    first = [webhook.id for webhook in list_webhooks(project_id, limit=3, sessions=sessions)]
    rest = list_webhooks(project_id, after=first[-1], sessions=sessions)
    assert [*first, *(webhook.id for webhook in rest)] == made[::-1]


def test_a_change_keeps_what_it_does_not_name(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL, description="nightly"), **around)
    changed = change(made, around, event_types=["*", "job.*", "*"])
    assert (changed.event_types, changed.description, changed.url) == (
        ["*", "job.*"],
        "nightly",
        URL,
    )
    assert changed.version == 2
    assert change(changed, around, description="").description == ""


def test_a_change_to_an_outdated_version_is_refused(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL), **around)
    change(made, around, description="first")
    with pytest.raises(PreconditionFailed, match="version 2"):
        change(made, around, description="second")
    assert fresh(made, around).description == "first"


def test_a_change_to_a_url_that_is_not_allowed_is_refused(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL), **around)
    with pytest.raises(Invalid):
        change(made, around, url="http://hooks.example.com/")
    assert fresh(made, around).url == URL


def test_rotating_gives_another_secret_and_announces_the_overlap(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL), **around)
    without_rules = {name: around[name] for name in ("project_id", "sessions", "secrets")}

    def rotate(seconds: int) -> WebhookWithSecret:
        return rotate_secret(made.id, overlap_seconds=seconds, **without_rules)

    before = utc_now()
    second = rotate(3600)
    assert second.previous_secret_until is not None
    assert before <= second.previous_secret_until - timedelta(hours=1) <= utc_now()
    third = rotate(0)
    assert third.previous_secret_until is None
    assert len({made.secret, second.secret, third.secret}) == 3
    assert third.version == 3


def test_a_deleted_endpoint_takes_its_deliveries_along(around: dict[str, Any]) -> None:
    project_id, sessions = around["project_id"], around["sessions"]
    made = create_webhook(WebhookCreate(url=URL), **around)
    with sessions.transaction() as session:
        record_event(session, project_id=project_id, type="job.failed", job_id=None, data={})
    assert len(due_deliveries(utc_now(), 10, sessions=sessions)) == 1
    delete_webhook(made.id, project_id=project_id, sessions=sessions)
    assert due_deliveries(utc_now(), 10, sessions=sessions) == []
    with pytest.raises(NotFound):
        delete_webhook(made.id, project_id=project_id, sessions=sessions)


def test_endpoints_may_be_deleted_while_events_are_recorded(around: dict[str, Any]) -> None:
    project_id, sessions = around["project_id"], around["sessions"]

    def come_and_go(_: int) -> None:
        made = create_webhook(WebhookCreate(url=URL, event_types=["*"]), **around)
        with sessions.transaction() as session:
            record_event(session, project_id=project_id, type="job.failed", job_id=None, data={})
        delete_webhook(made.id, project_id=project_id, sessions=sessions)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(24)))
    assert len(list_events(project_id, limit=100, sessions=sessions)) == 24
    assert due_deliveries(utc_now(), 10, sessions=sessions) == []


def test_another_projects_endpoint_is_not_found(around: dict[str, Any]) -> None:
    made = create_webhook(WebhookCreate(url=URL), **around)
    foreign = around | {"project_id": ensure_project("foreign", sessions=around["sessions"])}
    two = {name: foreign[name] for name in ("project_id", "sessions")}
    for call in (
        lambda: fresh(made, foreign),
        lambda: change(made, foreign, description="mine"),
        lambda: delete_webhook(made.id, **two),
        lambda: rotate_secret(made.id, overlap_seconds=0, secrets=foreign["secrets"], **two),
        lambda: list_deliveries(made.id, **two),
        lambda: redeliver(made.id, Redeliver(since=utc_now()), now=utc_now(), **two),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "webhook_not_found"
    assert fresh(made, around).version == 1


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (WebhookCreate, {"url": URL, "event_types": []}),
        (WebhookCreate, {"url": URL, "event_types": ["job.exploded"]}),
        (WebhookCreate, {"url": URL, "event_types": ["job.progress"]}),
        (WebhookCreate, {"url": URL, "secret": "mine"}),
        (WebhookCreate, {"url": URL, "description": "a\x00b"}),
        (WebhookCreate, {}),
        (WebhookUpdate, {"generation": 7}),
        (WebhookUpdate, {"state": "paused"}),
        (RotateSecret, {"overlap_seconds": -1}),
        (RotateSecret, {"overlap_seconds": 8 * 86400}),
        (Redeliver, {}),
        (Redeliver, {"delivery_ids": []}),
        (Redeliver, {"delivery_ids": ["evt_1"]}),
        (Redeliver, {"delivery_ids": ["dlv_" + "0" * 26], "since": "2026-11-21T08:00:00Z"}),
        (Redeliver, {"since": "2026-11-21T08:00:00"}),
        (Redeliver, {"since": "2026-11-21T08:00:00Z", "state": "pending"}),
    ],
)
def test_a_malformed_wish_is_refused(schema: type[WebhookCreate], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schema.model_validate(body)
