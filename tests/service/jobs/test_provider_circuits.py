"""The circuit of a place: when it opens, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from service.jobs.paid_operations.provider_circuits import FAILURES, Circuit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_it_opens_after_failures_in_a_row_and_each_probe_that_fails_doubles_its_pause() -> None:
    circuit, now, pauses = Circuit(), NOW, []
    for _ in range(FAILURES - 1):
        circuit = circuit.after_failure(now)
        assert circuit.allows(now)
    for _ in range(6):
        circuit = circuit.after_failure(now)
        assert circuit.open_until is not None
        pauses.append((circuit.open_until - now).total_seconds())
        now = circuit.open_until
    assert pauses == [15, 30, 60, 120, 120, 120]


def test_one_who_asks_often_waits_half_of_its_interval_and_counts_as_a_probe() -> None:
    minute = timedelta(minutes=1)
    circuit = Circuit(FAILURES + 5, NOW + timedelta(minutes=2))  # it opened now
    assert not circuit.allows(NOW + timedelta(seconds=29), interval=minute)
    assert circuit.allows(NOW + timedelta(seconds=30), interval=minute)
    assert not circuit.allows(NOW + timedelta(seconds=30))
    assert not circuit.allows(NOW + timedelta(seconds=14), interval=timedelta(seconds=1))

    probed = NOW + timedelta(seconds=30)
    again = circuit.after_failure(probed, interval=minute)
    assert again == Circuit(FAILURES + 6, probed + timedelta(minutes=2))
    assert again.after_failure(probed, interval=minute) == again
    assert not again.allows(probed + timedelta(seconds=29), interval=minute)


@pytest.mark.parametrize("intervals", [(30,), (100,), (300,), (30, 300)])
def test_after_an_outage_all_are_asked_about_within_two_intervals(
    intervals: tuple[int, ...],
) -> None:
    """Operations spread evenly over their interval, by a clock of whole seconds."""
    returned, jitter, circuit = 900, 1.1, Circuit()
    due = {(interval, n): n * interval / 20 for interval in intervals for n in range(20)}
    first: dict[tuple[int, int], int] = {}
    for second in range(returned + 2 * max(intervals)):
        now = NOW + timedelta(seconds=second)
        for key in [key for key, at in due.items() if at <= second]:
            pause = timedelta(seconds=key[0] * jitter)
            due[key] = second + pause.total_seconds()
            if not circuit.allows(now, interval=pause):
                continue
            if 300 <= second < returned:  # ten minutes
                circuit = circuit.after_failure(now, interval=pause)
                continue
            circuit = Circuit()
            if second >= returned:
                first.setdefault(key, second - returned)
    assert first.keys() == due.keys()
    assert all(wait <= 2 * interval for (interval, _), wait in first.items())


def test_calls_that_were_under_way_when_it_opened_change_nothing() -> None:
    circuit = Circuit()
    for _ in range(FAILURES):
        circuit = circuit.after_failure(NOW)
    late = circuit
    for _ in range(8):
        late = late.after_failure(NOW + timedelta(seconds=1))
    assert late == circuit
