"""The vocabulary of events, and the body that leaves the house."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.events import EventType, build_body, check_pattern, matches, types_matching

MOMENT = datetime(2026, 11, 21, 8, tzinfo=UTC)


def body(data: dict[str, Any]) -> str:
    return build_body(
        event_id="evt_1",
        event_type="job.succeeded",
        seq=812,
        job_id="job_1",
        data=data,
        timestamp=MOMENT,
    )


@pytest.mark.parametrize(
    ("patterns", "event_type", "expected"),
    [
        (["*"], "job.failed", True),
        (["*"], "webhook.disabled", True),
        (["job.*"], "job.created", True),
        (["job.*"], "webhook.ping", False),
        (["job.failed", "job.succeeded"], "job.succeeded", True),
        (["job.failed"], "job.succeeded", False),
        ([], "job.succeeded", False),
    ],
)
def test_patterns_cover_types(patterns: list[str], event_type: str, expected: bool) -> None:  # noqa: FBT001  a table's column
    assert matches(patterns, event_type) is expected


def test_a_star_covers_the_whole_vocabulary() -> None:
    assert types_matching(["*"]) == list(EventType)
    assert types_matching(["webhook.*"]) == [EventType.WEBHOOK_PING, EventType.WEBHOOK_DISABLED]


@pytest.mark.parametrize("pattern", ["job.exploded", "job", "j*", "", "job.progress"])
def test_an_unknown_pattern_is_refused_and_the_known_ones_are_named(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"known: .*'job\.\*'"):
        check_pattern(pattern)


def test_a_body_says_what_happened_to_what() -> None:
    assert json.loads(body({"kind": "tune", "outputs": {"model": "model_1"}})) == {
        "type": "job.succeeded",
        "timestamp": "2026-11-21T08:00:00.000000Z",
        "id": "evt_1",
        "seq": 812,
        "job": "job_1",
        "data": {"kind": "tune", "outputs": {"model": "model_1"}},
    }


def test_rows_and_prompts_that_slip_into_an_event_do_not_leave() -> None:
    secretive = {"kind": "evaluate", "rows": ["Ada, +44 20"], "prompt": "Ada", "text": "Ada"}
    assert "Ada" not in body(secretive)
    assert json.loads(body(secretive))["data"] == {"kind": "evaluate"}


def test_what_does_not_fit_is_left_out_longest_first_and_said_so() -> None:
    labels = {f"label{number}": "x" * 400 for number in range(16)}
    sent = body({"kind": "tune", "state": "failed", "labels": labels})
    assert len(sent) < 4096
    assert json.loads(sent)["data"] == {"kind": "tune", "state": "failed", "truncated": True}


@given(
    st.dictionaries(
        st.sampled_from(["labels", "why", "outputs", "kind", "rows"]),
        st.text(max_size=3000) | st.dictionaries(st.text(), st.text()),
    )
)
def test_any_body_is_short_ascii_json(data: dict[str, Any]) -> None:
    sent = body(data)
    assert len(sent) < 4096
    assert sent.isascii()
    assert json.loads(sent)["seq"] == 812
