"""Health, readiness and counts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.app import THREADS
from api.version import VERSION
from service.database import open_sessions
from service.errors import Conflict
from service.migrations.upgrade import upgrade
from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, serve
from tests.support.eventually import eventually
from tests.support.redis import start_redis


def test_the_process_answers_without_anything_else(tmp_path: Path) -> None:
    lost = Settings(_env_file=None, data_dir=tmp_path, database_url="postgresql:///no?host=/no")
    with serve(lost) as api:
        assert api.get("/healthz").json() == {"status": "ok"}
        problem_of(api.get("/readyz"), 503, "database_unavailable")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/jobs", "/openapi.json"])
def test_head_is_answered_as_get_without_a_body(api: Api, caller: Caller, path: str) -> None:
    head, read = caller.request("HEAD", path), caller.get(path)

    assert (head.status_code, head.content) == (read.status_code, b"") == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == read.headers[name]
    assert api.http.request("HEAD", "/v1/jobs").status_code == 401


def test_head_of_a_stream_ends(caller: Caller) -> None:
    assert caller.request("HEAD", "/v1/events/stream").status_code == 200


def test_without_the_broker_it_is_ready_but_degraded(api: Api) -> None:
    answer = api.get("/readyz")

    assert answer.status_code == 200
    reported = answer.json()
    assert reported.pop("broker_detail").startswith(("Redis does not answer", "nothing listens at"))
    assert reported == {"status": "degraded", "database": "ok", "broker": "away"}


def test_with_everything_there_it_is_ready(settings: Settings) -> None:
    with start_redis() as redis, serve(settings.model_copy(update={"redis_url": redis.url})) as api:
        eventually(lambda: api.get("/readyz").json()["status"] == "ready", what="it is not ready")


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("CONFIG SET maxmemory 1", "Redis is full: its maxmemory is used up"),
        ("REPLICAOF 127.0.0.1 1", "Redis takes no writes: it is a read-only replica"),
        ("ACL SETUSER default -set", "the Redis user lacks a permission"),
    ],
)
def test_a_broker_that_takes_no_messages_says_why_and_work_is_accepted(
    settings: Settings, command: str, cause: str
) -> None:
    with start_redis() as redis, serve(settings.model_copy(update={"redis_url": redis.url})) as api:
        eventually(lambda: api.get("/readyz").json()["status"] == "ready", what="it is not ready")
        with redis.client() as client:
            client.execute_command(*command.split())  # type: ignore[no-untyped-call]
        reported = api.get("/readyz").json()
        assert (reported["status"], reported["broker_detail"]) == ("degraded", cause)
        assert api.caller().submit("prepare", PREPARE)["state"] == "queued"


def test_redis_that_forbids_a_command_does_not_fail_a_request(settings: Settings) -> None:
    with start_redis() as redis, serve(settings.model_copy(update={"redis_url": redis.url})) as api:
        with redis.client() as client:
            client.execute_command("ACL", "SETUSER", "default", "-llen", "-lpush")  # type: ignore[no-untyped-call]
        assert api.get("/readyz").status_code == 200
        assert api.caller().submit("prepare", PREPARE)["state"] == "queued"


def test_a_database_of_a_later_version_is_served_and_shown(api: Api, settings: Settings) -> None:
    sessions = open_sessions(settings.resolved_database_url)
    with sessions.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    sessions.close()
    assert api.get("/readyz").json()["database"] == "newer"
    with pytest.raises(Conflict, match="later version"):
        upgrade(settings.resolved_database_url)


def test_a_database_that_takes_no_writes_is_not_ready(api: Api, settings: Settings) -> None:
    if not settings.database_url.startswith("postgresql"):
        pytest.skip("what a disk refuses is tried in tests/service/test_database_errors.py")
    name = make_url(settings.database_url).database
    sessions = open_sessions(settings.database_url)
    with sessions.transaction() as session:
        session.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    sessions.close()
    problem = problem_of(api.get("/readyz"), 503, "database_read_only")
    assert "takes no writes" in problem["detail"]


def test_missing_migrations_are_not_ready(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, redis_url="unix:///nonexistent")
    with serve(settings) as api:
        problem_of(api.get("/readyz"), 503, "migrations_missing")
        upgrade(settings.resolved_database_url)
        assert api.get("/readyz").status_code == 200


def test_jobs_are_counted_for_prometheus_by_project(api: Api, caller: Caller) -> None:
    for _ in range(2):
        caller.submit("prepare", PREPARE)
    cancelled = caller.submit("prepare", PREPARE)["id"]
    caller.post(f"/v1/jobs/{cancelled}/cancel")

    answer = caller.get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.splitlines()[2:] == [
        'tunecurve_jobs{kind="prepare",state="cancelled"} 1',
        'tunecurve_jobs{kind="prepare",state="queued"} 2',
    ]
    assert "tunecurve_jobs{" not in api.caller("other").get("/metrics").text


def test_probes_are_answered_while_every_thread_is_busy(api: Api) -> None:
    release = threading.Event()
    busy = threading.Semaphore(0)

    def block() -> None:
        busy.release()
        release.wait()

    api.app.add_api_route("/block", block)
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(api.get, "/block") for _ in range(THREADS)]
        try:
            for _ in range(THREADS):
                busy.acquire()
            assert api.get("/healthz").status_code == 200
            assert api.get("/readyz").status_code == 200
        finally:
            release.set()
        assert {call.result().status_code for call in calls} == {200}


def test_a_database_that_hangs_is_away(settings: Settings) -> None:
    if not settings.database_url.startswith("postgresql"):
        pytest.skip("readers of SQLite wait for no lock")
    with (
        psycopg.connect(settings.database_url.replace("+psycopg", "")) as other,
        serve(settings) as api,
    ):
        other.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):  # more than there are checks at a time
            problem_of(api.get("/readyz"), 503, "database_unavailable")
        assert api.get("/healthz").status_code == 200
        other.rollback()
        eventually(lambda: api.get("/readyz").status_code == 200, what="it stays away")


def test_the_address_alone_says_what_answers_and_its_links_lead_somewhere(api: Api) -> None:
    shown = api.get("/").json()
    assert (shown["name"], shown["version"]) == ("Tunecurve", VERSION)
    for name, path in shown["links"].items():
        assert api.get(path).status_code == (401 if name == "jobs" else 200)
