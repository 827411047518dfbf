"""Circuit breakers: a place of a provider that does not answer is left alone for a while.

Source: Nygard, Release It!, "Circuit Breaker": closed, open after failures in a row, half open for
one call that decides.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from service.database import Sessions
from service.jobs.paid_operations import repository

log = structlog.get_logger()

FAILURES = 3  # in a row, until a place is left alone
_FIRST, _LONGEST = timedelta(seconds=15), timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Circuit:
    """Failures of a place in a row, and until when no call is made there. A value."""

    failures: int = 0
    open_until: datetime | None = None

    def allows(self, now: datetime, *, interval: timedelta | None = None) -> bool:
        """Return whether to call. One who asks every `interval` waits half of that at most, and
        not under the first pause: so a place that answers again is soon asked, however long
        its pause has grown.
        """
        if self.open_until is None:
            return True
        wait = pause = _pause(self.failures)
        if interval is not None:
            wait = min(pause, max(interval / 2, _FIRST))
        return now >= self.open_until - pause + wait

    def after_failure(self, now: datetime, *, interval: timedelta | None = None) -> "Circuit":
        """Return the circuit one failure later: open from the third, each time twice as long.

        Calls that were under way when it opened change nothing.
        """
        if not self.allows(now, interval=interval):
            return self
        failures = self.failures + 1
        if failures < FAILURES:
            return Circuit(failures)
        return Circuit(failures, now + _pause(failures))


def _pause(failures: int) -> timedelta:
    """Return for how long a place is left alone that has failed so often in a row."""
    return min(_FIRST * (1 << min(max(failures - FAILURES, 0), 10)), _LONGEST)


class Circuits:
    """The circuits of all places during one sweep; changes are kept for the next, of any worker."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions, self._lock = sessions, threading.Lock()
        with sessions.reading() as session:
            self._circuits = {
                row.place: Circuit(row.failures, row.open_until)
                for row in repository.circuits(session)
            }

    def allow(self, place: str, now: datetime, *, interval: timedelta | None = None) -> bool:
        return self._of(place).allows(now, interval=interval)

    def is_suspect(self, place: str) -> bool:
        """Return whether the latest call there failed: one call at a time is enough."""
        return self._of(place).failures > 0

    def note_failure(
        self, place: str, now: datetime, *, code: str, interval: timedelta | None = None
    ) -> bool:
        """Count a failure; return whether the place is left alone from now on."""
        with self._lock:
            circuit = self._of(place).after_failure(now, interval=interval)
            self._keep(place, circuit)
        if circuit.open_until is not None:
            log.warning("provider_circuit_opened", place=place, code=code)
        return circuit.open_until is not None

    def note_answer(self, place: str) -> None:
        with self._lock:
            if self._of(place).failures:
                self._keep(place, Circuit())
                log.info("provider_circuit_closed", place=place)

    def _of(self, place: str) -> Circuit:
        return self._circuits.get(place, Circuit())

    def _keep(self, place: str, circuit: Circuit) -> None:
        self._circuits[place] = circuit
        with self._sessions.transaction() as session:
            repository.put_circuit(
                session, place, failures=circuit.failures, open_until=circuit.open_until
            )
