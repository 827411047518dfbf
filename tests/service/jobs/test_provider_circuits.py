"""The circuit of a place: when it opens, and for how long."""

from datetime import UTC, datetime, timedelta

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


def test_calls_that_were_under_way_when_it_opened_change_nothing() -> None:
    circuit = Circuit()
    for _ in range(FAILURES):
        circuit = circuit.after_failure(NOW)
    late = circuit
    for _ in range(8):
        late = late.after_failure(NOW + timedelta(seconds=1))
    assert late == circuit
