"""The pauses between two tries of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunecurve.transport import LONGEST_PAUSE_SECONDS, retry_pause


def longest(_low: float, high: float) -> float:
    return high


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.25), (1, 0.5), (3, 2.0), (10, 8.0)])
def test_the_longest_pause_doubles_up_to_eight_seconds(attempt: int, seconds: float) -> None:
    assert retry_pause(attempt, draw=longest) == seconds


@given(st.integers(0, 20))
def test_jitter_is_full(attempt: int) -> None:
    pause = retry_pause(attempt)
    assert pause is not None
    assert 0 <= pause <= 8


@given(st.integers(0, int(LONGEST_PAUSE_SECONDS)), st.integers(0, 5))
def test_nobody_comes_back_before_the_server_said(asked: int, attempt: int) -> None:
    pause = retry_pause(attempt, retry_after=str(asked))
    assert pause is not None
    assert pause >= asked


def test_a_longer_wait_than_half_a_minute_is_left_to_the_caller() -> None:
    assert retry_pause(0, retry_after="31") is None


@pytest.mark.parametrize("header", ["", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_counts_as_absent(header: str) -> None:
    assert retry_pause(0, retry_after=header, draw=longest) == 0.25
