"""The Python client against a server that speaks the documented shapes."""

import base64
import gzip
import hashlib
import socket
from pathlib import Path

import pytest

from tests.tunecurve.tiny_service import KEY, Answer, TinyService, json_answer, new_job, problem
from tunecurve.client import Client
from tunecurve.errors import (
    ApiError,
    ConfigurationError,
    ExitCode,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
)


def test_a_job_is_submitted_with_its_key_its_labels_and_a_new_idempotency_key(
    client: Client, service: TinyService
) -> None:
    client.submit("tune", {"dataset": "ds_1"}, labels={"team": "a"})
    client.submit("tune", {"dataset": "ds_1"})
    first, second = service.seen
    assert first.json() == {"kind": "tune", "spec": {"dataset": "ds_1"}, "labels": {"team": "a"}}
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_a_given_idempotency_key_is_sent_as_it_is(client: Client, service: TinyService) -> None:
    client.submit("tune", {}, idempotency_key="monday")
    assert service.seen[0].headers["idempotency-key"] == "monday"


def test_a_dry_run_returns_the_plan(client: Client) -> None:
    assert client.submit("tune", {}, dry_run=True)["object"] == "plan"


def test_a_busy_server_is_asked_again_with_the_same_idempotency_key(
    client: Client, service: TinyService
) -> None:
    service.next_answers = [
        json_answer(503, {}, **{"retry-after": "0"}),
        Answer(502, b"<html>bad gateway</html>"),
    ]
    assert client.submit("tune", {})["object"] == "job"
    assert len({seen.headers["idempotency-key"] for seen in service.seen}) == 1
    assert len(service.seen) == 3


def test_an_answer_that_broke_off_is_fetched_again(client: Client, service: TinyService) -> None:
    service.next_answers = [Answer(200, b'{"project": "proj_1"}', cut=True)]
    assert client.me() == {"project": "proj_1"}


def test_a_key_is_not_made_twice_when_the_answer_broke_off(
    client: Client, service: TinyService
) -> None:
    service.next_answers = [Answer(201, b'{"id": "key_1"}', cut=True)]
    with pytest.raises(UnreachableError):
        client.create_key("ci", ["read"])
    assert len(service.seen) == 1


def test_after_four_retries_the_servers_reason_is_reported(service: TinyService) -> None:
    service.next_answers = [Answer(429, b"{}", {"retry-after": "0"}) for _ in range(4)] + [
        problem(429, "queue_full", detail="1000 jobs are open")
    ]
    with Client(service.url, KEY) as client, pytest.raises(ApiError) as caught:
        client.me()
    assert len(service.seen) == 5
    assert caught.value.code == "queue_full"
    assert caught.value.exit_code == ExitCode.RATE_LIMITED


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    client: Client, service: TinyService
) -> None:
    service.next_answers = [json_answer(429, {}, **{"retry-after": "3600"})]
    with pytest.raises(ApiError):
        client.me()
    assert len(service.seen) == 1


def test_a_refusal_carries_the_problem_and_its_faults(client: Client, service: TinyService) -> None:
    fault = {"pointer": "/spec/test_size", "code": "too_small", "message": "at least 1"}
    service.next_answers = [problem(422, "validation_failed", detail="bad", errors=[fault])]
    with pytest.raises(ApiError) as caught:
        client.submit("prepare", {})
    assert (caught.value.status, caught.value.code) == (422, "validation_failed")
    assert caught.value.errors == (fault,)
    assert str(caught.value) == "bad (validation_failed)\n  /spec/test_size: at least 1"


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}", KEY, retries=1) as client,
        pytest.raises(UnreachableError, match=str(port)),
    ):
        client.me()


def test_something_else_that_answers_is_no_tunecurve(client: Client, service: TinyService) -> None:
    service.next_answers = [Answer(200, b"<html>hello</html>")]
    with pytest.raises(UnreachableError, match="not as a Tunecurve server"):
        client.me()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8765", "ftp://127.0.0.1", "http://"])
def test_a_url_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(url, KEY)


def test_a_key_with_a_line_break_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="key"):
        Client("http://127.0.0.1:1", "tunecurve_x\n")


def test_lists_are_followed_to_their_last_page(client: Client, service: TinyService) -> None:
    service.lists["/v1/jobs"] = [new_job(number) for number in range(7)]
    found = list(client.list("jobs", page_limit=3, state="queued"))
    assert [job["id"] for job in found] == [f"job_{number:026d}" for number in range(7)]
    assert len(service.seen) == 3
    assert all(seen.query["state"] == "queued" for seen in service.seen)


def test_events_are_paged_by_their_sequence_number(client: Client, service: TinyService) -> None:
    service.lists["/v1/events"] = [{"seq": number, "job": "job_1"} for number in range(1, 6)]
    found = list(client.events(job="job_1", after=2, page_limit=2))
    assert [event["seq"] for event in found] == [3, 4, 5]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("rows.jsonl", "application/x-ndjson"),
        ("rows.csv", "text/csv"),
        ("SQuAD.JSON", "application/json"),
        ("squad.json.gz", "application/gzip"),
    ],
)
def test_a_file_is_uploaded_as_it_is_with_its_digest(
    client: Client, service: TinyService, tmp_path: Path, name: str, media_type: str
) -> None:
    file = tmp_path / name
    content = gzip.compress(b"{}") if name.endswith(".gz") else b'{"a": 1}\n' * 50_000
    file.write_bytes(content)
    assert client.upload(file)["object"] == "file"
    seen = service.seen[0]
    assert seen.query == {"name": name}
    assert seen.body == content
    assert seen.headers["content-type"] == media_type
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert seen.headers["content-digest"] == f"sha-256=:{digest}:"


def test_an_upload_is_whole_again_when_it_is_retried(
    client: Client, service: TinyService, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"a,b\n" * 1000)
    service.next_answers = [json_answer(503, {}, **{"retry-after": "0"})]
    client.upload(file)
    assert [seen.body for seen in service.seen] == [file.read_bytes()] * 2


def test_a_file_of_an_unknown_kind_is_refused_and_the_known_ones_are_named(
    client: Client, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"\.csv.*\.jsonl"):
        client.upload(tmp_path / "rows.xlsx")


def test_an_output_is_downloaded_in_the_format_asked_for(
    client: Client, service: TinyService, tmp_path: Path
) -> None:
    service.contents["/v1/experiments/exp_1/content"] = b"PAR1" * 1000
    file = client.content("experiments", "exp_1", content_format="parquet", to=tmp_path / "o" / "c")
    assert file.read_bytes() == b"PAR1" * 1000
    assert service.seen[0].query == {"format": "parquet"}


def test_a_download_that_breaks_off_leaves_the_old_file_and_no_half_one(
    service: TinyService, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text("old")
    service.next_answers = [Answer(200, b"new" * 1000, cut=True)]
    with Client(service.url, KEY, retries=0) as client, pytest.raises(UnreachableError):
        client.content("experiments", "exp_1", content_format="html", to=file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_download_that_is_refused_writes_nothing(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ApiError) as caught:
        client.content("experiments", "exp_1", content_format="html", to=tmp_path / "report.html")
    assert caught.value.exit_code == ExitCode.CONFLICT
    assert list(tmp_path.iterdir()) == []


def test_waiting_ends_with_the_job_and_tells_each_look(
    client: Client, service: TinyService
) -> None:
    job = new_job(1)
    service.script(job, {"state": "running"}, {"state": "failed"})
    looks: list[str] = []
    ended = client.wait(job["id"], on_update=lambda seen: looks.append(seen["state"]))
    assert ended["state"] == "failed"
    assert looks == ["running", "failed"]


def test_waiting_asks_only_for_what_has_changed(client: Client, service: TinyService) -> None:
    job = {**new_job(1), "state": "running"}
    service.next_answers = [
        json_answer(200, job, etag='"1-a"'),
        Answer(304, b"", {"etag": '"1-a"'}),
        json_answer(200, {**job, "state": "succeeded"}, etag='"2-b"'),
    ]
    looks: list[str] = []

    ended = client.wait(str(job["id"]), on_update=lambda seen: looks.append(seen["state"]))

    assert ended["state"] == "succeeded"
    assert looks == ["running", "running", "succeeded"]
    assert [seen.headers.get("if-none-match") for seen in service.seen] == [None, '"1-a"', '"1-a"']


def test_waiting_outlasts_a_server_that_is_restarted(service: TinyService) -> None:
    job = new_job(1)
    service.script(job, {"state": "running"}, {"state": "succeeded"})

    def cut_off(_job: object) -> None:
        if len(service.seen) == 1:
            service.next_answers = [Answer(200, b"{}", cut=True)]

    with Client(service.url, KEY, retries=0) as client:
        assert client.wait(job["id"], on_update=cut_off)["state"] == "succeeded"
    assert len(service.seen) == 3


@pytest.mark.parametrize(
    "passing",
    [
        Answer(502, b"<html>Bad Gateway</html>"),
        Answer(504, b""),
        Answer(520, b""),
        problem(429, "rate_limited"),
        json_answer(503, {}, **{"retry-after": "60"}),
        problem(500, "internal"),
        Answer(425, b""),
        Answer(302, b"", {"location": "/login"}),
        Answer(200, b"<html>log in</html>"),
        Answer(200, b'{"status": "ok"}'),
        Answer(200, b"[]"),
        Answer(200, b"{", {"content-encoding": "gzip"}),
        Answer(200, b"[" * 100_000),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:9]!r}",
)
def test_waiting_outlasts_a_look_that_fails(
    service: TinyService, passing: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunecurve.client._FIRST_PAUSES_SECONDS", (0.01,) * 3)
    job = new_job(1)
    service.script(job, {"state": "running"}, {"state": "succeeded"})

    def fail_next(_job: object) -> None:
        if len(service.seen) == 1:
            service.next_answers = [passing, passing]

    with Client(service.url, KEY, retries=0) as client:
        assert client.wait(job["id"], on_update=fail_next)["state"] == "succeeded"
    assert len(service.seen) == 4


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"status": "ok"}', b'{"data": {}}'], ids=["a page", "other", "no list"]
)
def test_a_list_that_is_none_is_an_odd_answer(service: TinyService, body: bytes) -> None:
    service.next_answers = [Answer(200, body)]
    with Client(service.url, KEY, retries=0) as client, pytest.raises(UnreachableError, match="as"):
        list(client.list("jobs"))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_waiting_ends_with_a_refusal_that_stays(service: TinyService, status: int) -> None:
    job = new_job(1)
    service.script(job, {"state": "running"})

    def refuse_next(_job: object) -> None:
        service.next_answers = [problem(status, "refused")]

    with Client(service.url, KEY, retries=0) as client, pytest.raises(ApiError, match="refused"):
        client.wait(job["id"], on_update=refuse_next)


def test_waiting_for_a_server_that_never_answered_fails_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}", KEY, retries=0) as client,
        pytest.raises(UnreachableError),
    ):
        client.wait("job_1")


def test_waiting_gives_up_when_time_is_up(client: Client, service: TinyService) -> None:
    service.script(new_job(1), {"state": "running"})
    with pytest.raises(WaitTimeoutError, match="has not ended"):
        client.wait(new_job(1)["id"], timeout_seconds=0)
