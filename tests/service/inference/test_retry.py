"""What an error means, how long to wait, and that nothing of a prompt leaks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Forbidden, NotFound
from service.inference.retry import (
    LONGEST_DELAY_SECONDS,
    CallFailed,
    Refusal,
    classify,
    error_of_run,
    exhausted,
    next_delay,
    without_echo,
)
from tests.service.inference.provider import DAY_USED_UP
from tests.service.inference.recorded import firebase_answers, interactions, needs_recordings


def failed(http_status: int, **error: Any) -> CallFailed:
    return classify(http_status, json.dumps({"error": error}).encode(), {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, Refusal.RATE),
        (408, Refusal.TRANSIENT),
        (500, Refusal.TRANSIENT),
        (502, Refusal.TRANSIENT),
        (503, Refusal.TRANSIENT),
        (504, Refusal.TRANSIENT),
        (400, Refusal.PERMANENT),
        (401, Refusal.PERMANENT),
        (403, Refusal.PERMANENT),
        (404, Refusal.PERMANENT),
        (302, Refusal.TRANSIENT),  # a proxy that asks to log in
        (204, Refusal.TRANSIENT),
        (409, Refusal.TRANSIENT),
        (421, Refusal.TRANSIENT),
        (425, Refusal.TRANSIENT),
        (499, Refusal.TRANSIENT),
        (413, Refusal.PERMANENT),
        (501, Refusal.PERMANENT),
        (505, Refusal.PERMANENT),
    ],
)
def test_a_status_has_a_kind(status: int, kind: Refusal) -> None:
    assert classify(status, b"<html>", {}).kind is kind
    assert failed(status, message="words").kind is kind


@pytest.mark.parametrize("status", [204, 302, 401, 402, 403, 404, 405, 407, 410, 501])
def test_what_meets_every_call_ends_the_run_and_no_single_row(status: int) -> None:
    assert classify(status, b"<html>", {}).meets_every_call


@pytest.mark.parametrize("status", [400, 408, 409, 413, 421, 425, 429, 499, 500, 503])
def test_what_meets_one_call_says_nothing_of_the_others(status: int) -> None:
    assert not classify(status, b"<html>", {}).meets_every_call


def test_a_pause_that_is_no_number_of_seconds_is_none() -> None:
    for text in ("-5", "inf", "nan", "1e9", "9" * 400):
        assert classify(429, b"", {"Retry-After": text}).retry_after_seconds is None


def test_a_quota_of_the_day_parks_and_says_when_to_come_back() -> None:
    found = failed(429, **DAY_USED_UP)
    assert found.kind is Refusal.DAILY
    assert exhausted(found).resume_seconds == 7200
    assert exhausted(failed(429, message="100 requests per day")).resume_seconds == 3600
    soon = failed(429, message="100 requests per day", details=[{"retryDelay": "3s"}])
    assert exhausted(soon).resume_seconds == 300


def test_a_quota_of_nothing_is_used_up_too() -> None:
    info = {"metadata": {"quota_limit_value": "0", "quota_limit": "RequestsPerMinute"}}
    assert failed(429, message="Quota exceeded", details=[info]).kind is Refusal.DAILY
    number = {"violations": [{"quotaValue": 0}]}
    assert failed(429, message="Quota exceeded", details=[number]).kind is Refusal.DAILY


def test_the_wait_is_read_from_the_body_or_the_header() -> None:
    assert failed(429, details=[{"retryDelay": "48.5s"}]).retry_after_seconds == 48.5
    assert classify(503, b"", {"Retry-After": "7"}).retry_after_seconds == 7
    assert classify(503, b"", {"Retry-After": "Wed, 21 Oct 2026"}).retry_after_seconds is None
    assert classify(503, b"", {}).retry_after_seconds is None
    date = {"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}
    headers = date | {"Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert classify(503, b"", headers).retry_after_seconds == 30
    late = date | {"Date": "Wed, 21 Oct 2026 09:28:00 GMT"}
    assert classify(429, b"", late).retry_after_seconds == 0
    assert classify(429, b"", date | {"Date": "soon"}).retry_after_seconds is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"error": "text"}', b"\xff", b"[1]"])
def test_any_body_can_be_classified(body: bytes) -> None:
    assert classify(503, body, {}).message == "503"


def test_an_error_wrapped_in_a_list_is_read() -> None:
    body = json.dumps([{"error": {"status": "NOT_FOUND", "message": "no model"}}]).encode()
    assert classify(404, body, {}).message == "404 NOT_FOUND: no model"


def test_a_quoted_value_is_left_out_of_the_message() -> None:
    found = failed(400, message='Invalid value at "my secret prompt" and "cut sec')
    assert "secret" not in found.message
    assert len(failed(400, message="x" * 5000).message) <= 200


def test_a_message_that_repeats_the_prompt_is_reduced_to_its_status() -> None:
    found = failed(400, message="cannot answer: Jane Roe, 12 Elm Street, asked")
    hidden = without_echo(found, ["Hello", "I am Jane Roe, 12 Elm Street, and I ask"])
    assert "Jane" not in hidden.message
    assert (hidden.kind, hidden.status) == (found.kind, 400)
    assert without_echo(found, ["something else entirely"]) is found


def test_refusals_that_every_call_would_meet_end_a_run() -> None:
    forbidden = error_of_run(failed(403, status="PERMISSION_DENIED", message="denied"))
    missing = error_of_run(failed(404, status="NOT_FOUND", message="no such endpoint"))
    assert isinstance(forbidden, Forbidden)
    assert forbidden.code == "provider_forbidden"
    assert isinstance(missing, NotFound)
    assert missing.code == "provider_not_found"
    assert "no such endpoint" in missing.message


def test_a_bad_request_is_the_row_s_own_but_a_bad_key_is_everybody_s() -> None:
    assert not failed(400, status="INVALID_ARGUMENT", message="too long").meets_every_call
    assert failed(400, details=[{"reason": "API_KEY_INVALID"}]).meets_every_call
    assert failed(400, status="FAILED_PRECONDITION").meets_every_call
    assert not failed(503, status="UNAVAILABLE").meets_every_call


@given(st.integers(min_value=1, max_value=60), st.floats(0, 1, exclude_max=True))
def test_delays_grow_are_jittered_and_bounded(attempt: int, drawn: float) -> None:
    delay = next_delay(attempt, random=lambda: drawn)
    longest = next_delay(attempt, random=lambda: 1.0)
    assert longest / 2 <= delay <= longest <= LONGEST_DELAY_SECONDS
    assert longest <= next_delay(attempt + 1, random=lambda: 1.0)


@needs_recordings
def test_recorded_errors_are_classified() -> None:
    kinds = {
        name: classify(body["error"]["code"], json.dumps(body).encode(), {})
        for name, body in firebase_answers().items()
        if "error" in body
    }
    assert kinds["unary-failure-quota-exceeded.json"].kind is Refusal.DAILY  # its limit is 0
    assert kinds["unary-failure-iam-permission-denied.json"].meets_every_call
    assert kinds["unary-failure-api-key.json"].meets_every_call
    assert kinds["unary-failure-unsupported-user-location.json"].meets_every_call
    assert not kinds["unary-failure-image-rejected.json"].meets_every_call
    assert all("AIzv" not in found.message for found in kinds.values())


@needs_recordings
def test_the_recorded_429_of_a_minute_s_quota_waits_48_seconds() -> None:
    [body] = [body for status, body in interactions() if status == 429]
    found = classify(429, json.dumps(body).encode(), {})
    assert (found.kind, found.retry_after_seconds) == (Refusal.RATE, 48)
