"""Events over HTTP: lists and streams."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import httpx2
import pytest

from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, Json
from tests.support.eventually import eventually

STREAMS: int = Settings.model_fields["streams_per_key"].default


@contextlib.contextmanager
def _streaming(
    caller: Caller, *, params: dict[str, str] | None = None, last: int | None = None
) -> Iterator[httpx2.Response]:
    headers = {"Authorization": f"Bearer {caller.secret}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    with caller.http.stream("GET", "/v1/events/stream", headers=headers, params=params) as answer:
        yield answer


def _events(answer: httpx2.Response) -> Iterator[Json]:
    """Yield the events of a stream, checked: number and type stand outside the data too."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            event: Json = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (str(event["seq"]), event["type"])
            yield event
            fields = {}


def test_what_happened_is_listed_in_order_page_by_page(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)
    other = caller.submit("prepare", PREPARE)
    caller.post(f"/v1/jobs/{job['id']}/cancel")

    first = caller.get("/v1/events", params={"limit": 2}).json()
    second = caller.get(first["next"]).json()

    events = first["data"] + second["data"]
    assert [(event["seq"], event["type"], event["job"]) for event in events] == [
        (1, "job.created", job["id"]),
        (2, "job.created", other["id"]),
        (3, "job.cancelled", job["id"]),
    ]
    assert not second["has_more"]


def test_events_are_filtered_by_job_and_type(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    caller.submit("prepare", PREPARE)
    caller.post(f"/v1/jobs/{job}/cancel")

    def found(**filters: str | list[str]) -> list[int]:
        answer = caller.get("/v1/events", params=filters)
        assert answer.status_code == 200, answer.text
        return [event["seq"] for event in answer.json()["data"]]

    assert found(job=job) == [1, 3]
    assert found(type="job.created") == [1, 2]
    assert found(type=["job.cancelled", "job.failed"]) == [3]
    assert found(type="job.*", after="1") == [2, 3]
    assert found(type="webhook.*") == []


def test_a_stream_of_a_job_ends_with_the_job(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    caller.submit("prepare", PREPARE)

    with _streaming(caller, params={"job": job}) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-cache"
        events = _events(answer)
        first = next(events)
        caller.post(f"/v1/jobs/{job}/cancel")
        rest = list(events)

    assert [event["type"] for event in (first, *rest)] == ["job.created", "job.cancelled"]


def test_a_stream_is_resumed_after_the_last_event_seen(caller: Caller) -> None:
    for _ in range(3):
        caller.submit("prepare", PREPARE)
    with _streaming(caller) as answer:
        seen = list(islice(_events(answer), 2))

    with _streaming(caller, last=seen[-1]["seq"]) as answer:
        events = _events(answer)
        resumed = next(events)
        caller.submit("prepare", PREPARE)
        live = next(events)

    assert [event["seq"] for event in (*seen, resumed, live)] == [1, 2, 3, 4]


def test_a_stream_of_a_job_that_has_ended_closes_at_once(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    caller.post(f"/v1/jobs/{job}/cancel")

    with _streaming(caller, params={"job": job}, last=2) as answer:
        assert list(_events(answer)) == []


def test_a_stream_holds_the_types_that_were_asked_for(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    caller.post(f"/v1/jobs/{job}/cancel")

    with _streaming(caller, params={"job": job, "type": "job.cancelled"}) as answer:
        assert [event["type"] for event in _events(answer)] == ["job.cancelled"]


@pytest.mark.parametrize("sent", ["x", "-1", str(2**64)])
def test_a_resumption_point_must_be_a_number(caller: Caller, sent: str) -> None:
    answer = caller.get("/v1/events/stream", headers={"Last-Event-ID": sent})

    problem_of(answer, 422, "validation_failed")


def test_a_key_has_a_limit_of_streams_and_gets_them_back(api: Api, caller: Caller) -> None:
    with contextlib.ExitStack() as streams:
        for _ in range(STREAMS):
            answer = streams.enter_context(_streaming(caller))
            assert answer.status_code == 200
        refused = caller.get("/v1/events/stream")
        with _streaming(api.caller("other")) as other:
            assert other.status_code == 200

    problem_of(refused, 429, "too_many_streams")

    def opens() -> bool:
        with _streaming(caller) as answer:
            return answer.status_code == 200

    eventually(opens, what="the closed streams still count")


def test_open_streams_do_not_keep_others_waiting(caller: Caller) -> None:
    with contextlib.ExitStack() as streams:
        for _ in range(STREAMS):
            streams.enter_context(_streaming(caller))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: caller.get("/v1/me").status_code, range(24)))

    assert answers == [200] * 24
