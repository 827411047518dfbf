"""A quota is paused, resumed and retuned over HTTP, and the fleet keeps to it at once."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.inference.governor import quota_key
from service.inference.operations import loop_thread
from service.inference.ports import Flow, Quota
from service.inference.quota_controls import PAUSED_SECONDS, publish_controls
from service.inference.redis_governor import RedisGovernor, list_quotas
from service.inference.retry import QuotaExhausted
from service.inference.schemas import QuotaView
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.projects.schemas import Scope
from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, serve
from tests.support.eventually import eventually
from tests.support.redis import RedisServer, start_redis

FLOW = Flow("prj", "job")
KEY = "us/gemini-3.1-flash-lite"
URL = f"/v1/quotas/{KEY}"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def governor(redis: RedisServer) -> Iterator[RedisGovernor]:
    """A fleet of one, set to 600 calls a minute."""
    redis.wipe()
    key = quota_key("", location="us", base_model="gemini-3.1-flash-lite")
    made = RedisGovernor(redis.url, key=key, quota=Quota(600))
    yield made
    loop_thread().run(made.close())


@pytest.fixture
def api(redis: RedisServer, settings: Settings) -> Iterator[Api]:
    with serve(settings.model_copy(update={"redis_url": redis.url})) as served:
        yield served


def call(governor: RedisGovernor) -> None:
    async def acquire_and_release() -> None:
        governor.release(FLOW, estimated=await governor.acquire(FLOW, tokens=lambda: 10), used=10)

    loop_thread().run(acquire_and_release())


def shown(redis: RedisServer, **expected: Any) -> QuotaView:
    """Return the quota once it is shown as expected."""

    def found() -> QuotaView | None:
        for quota in list_quotas(redis.url):
            if all(getattr(quota, name) == value for name, value in expected.items()):
                return quota
        return None

    quota = eventually(found, what=f"the quota is not shown with {expected}")
    assert quota
    return quota


def publish(api: Api) -> None:
    publish_controls(
        api.services.sessions.now(),
        google_projects=[api.services.settings.google_cloud_project],
        redis_url=api.services.settings.resolved_redis_url,
        sessions=api.services.sessions,
    )


def test_a_paused_quota_starts_no_call_until_it_is_resumed(
    api: Api, redis: RedisServer, governor: RedisGovernor
) -> None:
    caller = api.caller()
    call(governor)
    paused = caller.patch(URL, {"paused": True})
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    with pytest.raises(QuotaExhausted) as caught:
        call(governor)
    assert caught.value.resume_seconds == PAUSED_SECONDS
    assert shown(redis, paused=True).key == KEY

    redis.wipe()
    publish(api)  # as the ticker does
    with pytest.raises(QuotaExhausted):
        call(governor)

    assert caller.patch(URL, {"paused": False}).json()["paused"] is False
    call(governor)


def test_resuming_wakes_the_jobs_that_wait_for_a_quota(api: Api, redis: RedisServer) -> None:
    caller = api.caller()
    ids = [caller.submit("prepare", PREPARE)["id"] for _ in range(2)]
    later = api.services.sessions.now().replace(year=2100)
    with api.services.sessions.transaction() as session:
        for job_id, reason in zip(ids, (Reason.QUOTA, Reason.RETRY), strict=True):
            job = session.get_one(Job, job_id)
            job.state, job.reason, job.next_run_at = State.WAITING.value, reason.value, later

    caller.patch(URL, {"paused": False})

    with api.services.sessions.reading() as session:
        due = [session.get_one(Job, job_id).next_run_at for job_id in ids]
    assert due[0] is not None
    assert due[0] < later
    assert due[1] == later


def test_a_rate_is_retuned_at_once_and_taken_back(
    api: Api, redis: RedisServer, governor: RedisGovernor
) -> None:
    caller = api.caller()
    call(governor)
    change = {"requests_per_minute": 6000, "tokens_per_minute": 90_000, "in_flight_limit": 9}
    reported = caller.patch(URL, change).json()
    assert {name: reported[name] for name in change} == change
    call(governor)
    quota = shown(redis, ceiling=6000, in_flight_limit=9, tokens_per_minute=90_000)
    assert quota.requests_per_minute == 6000

    reported = caller.patch(URL, dict.fromkeys(change)).json()
    assert [reported[name] for name in change] == [None] * 3
    call(governor)
    assert shown(redis, ceiling=600, in_flight_limit=None).requests_per_minute <= 600


@pytest.mark.parametrize(
    "change", [{"requests_per_minute": 0}, {"in_flight_limit": 0}, {"rate": 1}, {"paused": "soon"}]
)
def test_what_is_no_limit_is_refused(api: Api, change: dict[str, Any]) -> None:
    problem_of(api.caller().patch(URL, change), 422, "validation_failed")


def test_a_quota_of_no_known_model_is_not_there_and_a_writer_may_not_change_any(api: Api) -> None:
    nonesuch = api.caller().patch("/v1/quotas/us/nonesuch", {"paused": True})
    problem_of(nonesuch, 404, "quota_not_found")
    writer = api.caller("default", Scope.WRITE)
    problem_of(writer.patch(URL, {"paused": True}), 403, "insufficient_scope")


def test_what_is_set_while_redis_is_away_holds_once_it_is_back(
    settings: Settings, redis: RedisServer, governor: RedisGovernor
) -> None:
    with serve(settings.model_copy()) as away:  # what it resolves is cached in it
        problem_of(away.caller().patch(URL, {"paused": True}), 503, "unavailable")
    with serve(settings.model_copy(update={"redis_url": redis.url})) as back:
        publish(back)
        with pytest.raises(QuotaExhausted):
            call(governor)
