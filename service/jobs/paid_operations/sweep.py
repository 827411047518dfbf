"""The sweep that asks providers about every paid operation that is due.

Places (locations of a provider) are asked concurrently, and one that does not answer holds up no
other.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from math import ceil
from random import Random
from typing import Any

from service.database import Sessions, database_now
from service.jobs.models import PaidOperationRow
from service.jobs.paid_operations import repository
from service.jobs.paid_operations.pace import OperationPace, expected_end, poll_interval
from service.jobs.paid_operations.polls import LISTED, PlacePoll, PolledTable, PolledTables
from service.jobs.paid_operations.provider_circuits import Circuits
from service.jobs.paid_operations.strays import reconcile

_THREADS, _THREADS_OF_A_PLACE = 32, 8  # that wait for answers
_CLAIM, _CHUNK = 500, 50
_JITTER = 0.1  # so that operations started together are not polled together
_LOOK_SECONDS, _LONGEST_SECONDS = 1.0, 60.0


def has_due_operations(tables: PolledTables, *, sessions: Sessions) -> bool:
    """Return whether any operation is due for a poll."""
    with sessions.reading() as session:
        now = database_now(session)
        return any(repository.has_due(session, polled.table, now=now) for polled in tables)


def poll_operations(tables: PolledTables, *, sessions: Sessions, pace: OperationPace) -> int:
    """Ask the providers about the operations that are due; return how many were claimed.

    An operation is claimed by moving its next poll ahead, so two sweeps never ask about the same
    one, and a sweep that dies only delays it. Those that have ended wake their job.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="poll") as threads:
        count = _Sweep(tables, sessions, pace, threads).run()
    for polled in tables:
        reconcile(
            polled.table,
            find=polled.find,
            drop=polled.drop,
            staged=polled.staged,
            sessions=sessions,
        )
    return count


class _Place:
    """What is claimed at one place, and how many threads work on it.

    `listed` are those that the list has been searched for: they are asked about one by one.
    """

    def __init__(self, polls: PlacePoll[Any]) -> None:
        self.polls = polls
        self.claimed: deque[Any] = deque()
        self.listed: deque[Any] = deque()
        self.threads = 0


class _Sweep:
    """Claims what is due, and hands it out in chunks: a few threads for each place."""

    def __init__(
        self,
        tables: PolledTables,
        sessions: Sessions,
        pace: OperationPace,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._tables, self._sessions, self._pace = tables, sessions, pace
        self._threads, self._circuits = threads, Circuits(sessions)
        self._places: dict[tuple[type[Any], str], _Place] = {}
        self._running: dict[Future[list[Any] | None], tuple[_Place, list[Any]]] = {}
        self._claimed: set[str] = set()
        self._pending: set[str] = set()  # jobs whose operations are claimed and not yet answered
        self._random = Random()  # noqa: S311  spreads polls; nothing secret

    def run(self) -> int:
        """Poll all that is due now; what comes due later only while a place keeps us waiting."""
        count, until, end = 0, self._sessions.now(), time.monotonic() + _LONGEST_SECONDS
        claimed_until: datetime | None = None
        while True:
            if until != claimed_until and time.monotonic() < end:
                count += sum(self._claim_all(polled, until) for polled in self._tables)
                claimed_until = until
            for key, place in self._places.items():
                # A place that has just failed is asked by one thread: its answer decides.
                suspect = self._circuits.is_suspect(key[1])
                self._start(place, most=1 if suspect else _THREADS_OF_A_PLACE)
            if not self._running:
                return count
            if not self._collect():
                until = self._sessions.now()

    def _claim_all(self, polled: PolledTable[Any], until: datetime) -> int:
        count = 0
        while claimed := self._claim(polled, until):
            count += claimed
            if claimed < _CLAIM:
                break
        return count

    def _claim(self, polled: PolledTable[Any], until: datetime) -> int:
        with self._sessions.transaction() as session:
            now = database_now(session)
            due = repository.due(session, polled.table, before=until, limit=_CLAIM)
            new = [row for row in due if self._is_new(row, now)]
            for row in due:
                row.next_poll_at = self._next_poll(row, now)
        for row in new:
            self._claimed.add(row.job_id)
            self._pending.add(row.job_id)
            self._place_of(polled, row).claimed.append(row)
        return len(new)

    def _is_new(self, row: PaidOperationRow, now: datetime) -> bool:
        """Return whether to ask: not about one that is being asked about, nor again about one
        that only seems due, since its clock was set back, and did not answer.
        """
        is_due = row.next_poll_at is not None and row.next_poll_at <= now
        return row.job_id not in self._pending and (is_due or row.job_id not in self._claimed)

    def _place_of(self, polled: PolledTable[Any], row: PaidOperationRow) -> _Place:
        name = polled.place(row)
        if (polled.table, name) not in self._places:
            polls: PlacePoll[Any] = PlacePoll(
                polled,
                name,
                sessions=self._sessions,
                settle=self._pace.settle,
                circuits=self._circuits,
            )
            self._places[polled.table, name] = _Place(polls)
        return self._places[polled.table, name]

    def _next_poll(self, row: PaidOperationRow, now: datetime) -> datetime:
        end = expected_end(
            row.progress, running_since=row.running_since, progressed_at=row.progressed_at
        )
        accepted = row.submitted_at or row.intended_at
        pause = poll_interval(now=now, accepted_at=accepted, end=end, pace=self._pace)
        following = now + pause * self._random.uniform(1 - _JITTER, 1 + _JITTER)
        deadline = row.deadline_at
        return min(following, deadline) if deadline and deadline > now else following

    def _start(self, place: _Place, *, most: int) -> None:
        if len(place.claimed) >= LISTED and place.threads < most:
            rows = [place.claimed.popleft() for _ in range(len(place.claimed))]
            self._submit(place, place.polls.list, rows)
        place.listed.extend(place.claimed)
        place.claimed.clear()
        size = min(_CHUNK, ceil(len(place.listed) / _THREADS_OF_A_PLACE))
        while place.listed and place.threads < most:
            rows = [place.listed.popleft() for _ in range(min(size, len(place.listed)))]
            self._submit(place, place.polls.poll, rows)

    def _submit(self, place: _Place, ask: Callable[[list[Any]], Any], rows: list[Any]) -> None:
        place.threads += 1
        self._running[self._threads.submit(ask, rows)] = place, rows

    def _collect(self) -> bool:
        """Wait for the next chunk that is done; return False when none is for a while."""
        done, _ = wait(self._running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            place, rows = self._running.pop(future)
            place.threads -= 1
            left = future.result() or ()  # a fault of ours is raised
            place.listed.extend(left)
            self._pending.difference_update(row.job_id for row in rows)
            self._pending.update(row.job_id for row in left)
        return bool(done)
