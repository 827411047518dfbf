"""Quotas as the API and the command line show them."""

from collections.abc import Iterator

import pytest

from service.inference.governor import quota_key
from service.inference.operations import loop_thread
from service.inference.ports import Flow, Quota
from service.inference.redis_governor import RedisGovernor, list_quotas
from service.projects.schemas import Scope
from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import Api, Json, serve
from tests.support.eventually import eventually
from tests.support.redis import RedisServer, start_redis
from tunecurve.cli import run
from tunecurve.errors import ExitCode

FLOW = Flow("prj", "job")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def governor(redis: RedisServer) -> Iterator[RedisGovernor]:
    key = quota_key("p", location="us", base_model="gemini-3.1-flash-lite")
    made = RedisGovernor(redis.url, key=key, quota=Quota(600, 60_000, in_flight=40))
    redis.wipe()
    yield made
    loop_thread().run(made.close())


@pytest.fixture
def busy(redis: RedisServer, governor: RedisGovernor, settings: Settings) -> Iterator[Api]:
    """An API beside a fleet of one, whose quota has been cut and then used up for a day."""

    async def use() -> None:
        for _ in range(3):
            await governor.acquire(FLOW, tokens=lambda: 10)
        await governor.refused()
        await governor.park(1800)

    loop_thread().run(use())
    eventually(lambda: bool(list_quotas(redis.url)), what="no quota was reported")
    with serve(settings.model_copy(update={"redis_url": redis.url})) as api:
        yield api


def test_a_quota_shows_its_rate_its_calls_and_until_when_it_is_parked(
    busy: Api, governor: RedisGovernor
) -> None:
    caller = busy.caller("default", Scope.READ)

    def slowed_down() -> Json | None:
        """Return the quota as shown before its rate has recovered from a refusal."""
        loop_thread().run(governor.refused())
        answer = caller.get("/v1/quotas")
        assert answer.status_code == 200
        (quota,) = answer.json()["data"]
        return quota if quota["requests_per_minute"] < quota["ceiling"] else None

    quota = eventually(slowed_down, what="no refusal is shown")
    assert quota
    assert (quota["location"], quota["base_model"]) == ("us", "gemini-3.1-flash-lite")
    assert 0 < quota["requests_per_minute"] < 600 == quota["ceiling"]
    assert quota["tokens_per_minute"] == 60_000
    assert (quota["in_flight"], quota["in_flight_limit"], quota["waiting"]) == (3, 40, 0)
    assert quota["processes"] == 1
    assert quota["slow_start"] is False
    assert quota["last_cut_at"] < quota["seen_at"] < quota["parked_until"]


def test_the_command_line_shows_the_same(busy: Api, capsys: pytest.CaptureFixture[str]) -> None:
    caller = busy.caller()
    assert run(["quotas", "--url", busy.url, "--key", caller.secret]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "gemini-3.1-flash-lite" in printed
    assert "parked until" in printed


def test_without_redis_the_state_is_not_known(api: Api) -> None:
    problem_of(api.caller().get("/v1/quotas"), 503, "unavailable")


def test_a_key_without_the_scope_sees_nothing(api: Api) -> None:
    answer = api.caller("default", Scope.WRITE).get("/v1/quotas")
    problem_of(answer, 403, "insufficient_scope")
