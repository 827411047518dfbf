"""Events are numbered without gaps, and become deliveries in the same transaction."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from service.clock import utc_now
from service.database import Sessions
from service.errors import Internal
from service.ids import Prefix, new_id
from service.projects.operations import ensure_project
from service.webhooks.addresses import UrlRules
from service.webhooks.deliveries import due_deliveries, list_deliveries
from service.webhooks.endpoints import create_webhook, update_webhook
from service.webhooks.event_log import list_events, purge_events, record_event
from service.webhooks.schemas import WebhookCreate, WebhookState, WebhookUpdate
from service.webhooks.signatures import WebhookSecrets


def record(
    sessions: Sessions, project_id: str, type_: str = "job.created", job_id: str | None = None
) -> None:
    with sessions.transaction() as session:
        record_event(
            session, project_id=project_id, type=type_, job_id=job_id, data={"kind": "tune"}
        )


def seqs(sessions: Sessions, project_id: str) -> list[int]:
    return [event.seq for event in list_events(project_id, limit=1000, sessions=sessions)]


def test_numbers_have_no_gaps_under_four_threads_and_rolled_back_transactions(
    sessions: Sessions, project_id: str
) -> None:
    started = Barrier(4)

    def write(thread: int) -> None:
        started.wait()
        seen: list[list[int]] = []
        for number in range(25):
            with sessions.transaction() as session:
                record_event(
                    session, project_id=project_id, type="job.progress", job_id=None, data={}
                )
                if number % 5 == thread:
                    session.rollback()
            # what a reader with a cursor relies on: no lower number appears later
            seen.append(seqs(sessions, project_id))
        assert all(read == list(range(1, len(read) + 1)) for read in seen)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert seqs(sessions, project_id) == list(range(1, 81))


def test_projects_count_for_themselves(sessions: Sessions, project_id: str) -> None:
    other = ensure_project("other", sessions=sessions)
    for project in (project_id, other, project_id):
        record(sessions, project)
    assert (seqs(sessions, project_id), seqs(sessions, other)) == ([1, 2], [1])


def test_events_are_listed_by_job_type_and_cursor(sessions: Sessions, project_id: str) -> None:
    first, second = new_id(Prefix.JOB), new_id(Prefix.JOB)
    for type_, job_id in [
        ("job.created", first),
        ("job.created", second),
        ("job.progress", first),
        ("job.succeeded", first),
        ("webhook.ping", None),
    ]:
        record(sessions, project_id, type_, job_id)

    def listed(**filters: object) -> list[int]:
        page = list_events(project_id, sessions=sessions, **filters)  # type: ignore[arg-type]  # a test's shorthand
        return [event.seq for event in page]

    assert listed(job_id=first) == [1, 3, 4]
    assert listed(types=["job.created", "job.succeeded"]) == [1, 2, 4]
    assert listed(types=["webhook.*"]) == [5]
    assert listed(types=["nothing.known"]) == []
    assert listed(after_seq=2, limit=2) == [3, 4]
    [event] = list_events(project_id, after_seq=4, sessions=sessions)
    assert (event.type, event.job, event.data) == ("webhook.ping", None, {"kind": "tune"})


def test_an_event_becomes_a_delivery_for_each_enabled_endpoint_that_wants_it(
    sessions: Sessions, project_id: str, secrets: WebhookSecrets, rules: UrlRules
) -> None:
    def endpoint(*event_types: str, project: str = project_id) -> str:
        wanted = WebhookCreate(url="https://hooks.example.com/", event_types=list(event_types))
        return create_webhook(
            wanted, project_id=project, sessions=sessions, secrets=secrets, rules=rules
        ).id

    everything, jobs, ends, disabled = (
        endpoint("*"),
        endpoint("job.*"),
        endpoint("job.succeeded"),
        endpoint("*"),
    )
    foreign_project = ensure_project("foreign", sessions=sessions)
    foreign = endpoint("*", project=foreign_project)
    update_webhook(
        disabled,
        WebhookUpdate(state=WebhookState.DISABLED),
        project_id=project_id,
        expected_version=1,
        sessions=sessions,
        rules=rules,
    )
    for type_ in ("job.created", "job.progress", "job.succeeded", "webhook.ping"):
        record(sessions, project_id, type_)

    def delivered(webhook_id: str, project: str = project_id) -> list[str]:
        page = list_deliveries(webhook_id, project_id=project, sessions=sessions)
        return [delivery.event_type.value for delivery in page][::-1]

    assert delivered(everything) == ["job.created", "job.succeeded", "webhook.ping"]
    assert delivered(jobs) == ["job.created", "job.succeeded"]
    assert delivered(ends) == ["job.succeeded"]
    assert delivered(disabled) == []
    assert delivered(foreign, foreign_project) == []
    # the oldest of each of the three endpoints that have any
    assert len(due_deliveries(utc_now(), 100, sessions=sessions)) == 3
    assert len(due_deliveries(utc_now(), 2, sessions=sessions)) == 2


def test_a_rolled_back_transaction_leaves_neither_event_nor_delivery(
    sessions: Sessions, project_id: str, secrets: WebhookSecrets, rules: UrlRules
) -> None:
    wanted = WebhookCreate(url="https://hooks.example.com/", event_types=["*"])
    create_webhook(wanted, project_id=project_id, sessions=sessions, secrets=secrets, rules=rules)
    with pytest.raises(RuntimeError), sessions.transaction() as session:
        record_event(session, project_id=project_id, type="job.failed", job_id=None, data={})
        raise RuntimeError
    assert seqs(sessions, project_id) == []
    assert due_deliveries(utc_now(), 10, sessions=sessions) == []


def test_an_unknown_type_or_project_is_refused(sessions: Sessions, project_id: str) -> None:
    with pytest.raises(ValueError, match="exploded"):
        record(sessions, project_id, "job.exploded")
    with pytest.raises(Internal):
        record(sessions, new_id(Prefix.PROJECT))


def test_purged_events_are_gone_and_their_numbers_stay_used(
    sessions: Sessions, project_id: str
) -> None:
    for _ in range(3):
        record(sessions, project_id)
    assert purge_events(utc_now() - timedelta(days=1), sessions=sessions) == 0
    assert purge_events(utc_now() + timedelta(seconds=1), sessions=sessions) == 3
    record(sessions, project_id)
    assert seqs(sessions, project_id) == [4]
