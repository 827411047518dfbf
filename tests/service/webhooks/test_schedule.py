"""When deliveries are tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.schedule import has_failed_too_long, next_delay, retry_after

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    delays = [next_delay(attempt) for attempt in range(11)]
    seconds = [None if delay is None else delay.total_seconds() for delay in delays]
    assert seconds == [
        0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None
    ]  # fmt: skip


@given(st.integers(0, 9), st.floats(-1, 1))
def test_jitter_moves_a_delay_by_a_fifth_at_most(attempt: int, jitter: float) -> None:
    plain, moved = next_delay(attempt), next_delay(attempt, jitter=jitter)
    assert plain is not None
    assert moved is not None
    assert abs(moved - plain) <= plain * 0.2 + timedelta(microseconds=1)


def test_what_the_receiver_asks_for_is_waited_but_not_beyond_a_day() -> None:
    assert next_delay(1, retry_after=timedelta(seconds=90)) == timedelta(seconds=90)
    assert next_delay(2, retry_after=timedelta(seconds=90)) == timedelta(minutes=5)
    assert next_delay(1, retry_after=timedelta(days=9)) == timedelta(days=1)
    assert next_delay(10, retry_after=timedelta(seconds=90)) is None


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120),
        (503, "0", 0),
        (429, "99999999999999999999", 86400),
        (503, "Sat, 21 Nov 2026 08:10:00 GMT", 600),
        (503, "Sat, 21 Nov 2026 08:10:00 -0000", 600),
        (503, "Sat, 21 Nov 2026 10:10:00 +0200", 600),
        (503, "Sat, 21 Nov 2026 07:00:00 GMT", 0),
        (500, "120", None),
        (200, "120", None),
        (429, "", None),
        (429, "soon", None),
        (429, "-5", None),
        (429, "١٢", None),
        (429, "Sat, 99 Nov 99999 08:10:00 GMT", None),
    ],
)
def test_retry_after_is_read_from_busy_answers_only(
    status: int, header: str, seconds: float | None
) -> None:
    delay = retry_after(status, header, now=NOW)
    assert delay == (None if seconds is None else timedelta(seconds=seconds))


def test_an_endpoint_is_given_up_after_five_days() -> None:
    assert not has_failed_too_long(None, NOW)
    assert not has_failed_too_long(NOW - timedelta(days=4, hours=23), NOW)
    assert has_failed_too_long(NOW - timedelta(days=5), NOW)
