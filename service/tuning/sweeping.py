"""The sweep that asks providers about every tuning that is due."""

from dataclasses import asdict
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog

from service.clock import utc_now
from service.database import Sessions
from service.errors import NotFound, TunecurveError
from service.jobs.sweeps import wake_job
from service.tuning import repository
from service.tuning.models import TuningRun
from service.tuning.polling import is_overdue, next_poll
from service.tuning.ports import (
    FINAL_STATES,
    ProviderTuning,
    TuningProvider,
    TuningState,
)
from service.tuning.running import Providers, TuningPace

log = structlog.get_logger()

POLL_BATCH = 50


def poll_tunings(
    now: datetime, *, sessions: Sessions, providers: Providers, pace: TuningPace
) -> int:
    """Ask the providers about the tunings that are due; return how many were asked about.

    A tuning is claimed by moving its next poll ahead, so two pollers never ask about the same
    one, and a poller that dies only delays it. Those that have ended wake their job.
    """
    random = Random()  # noqa: S311  spreads polls; nothing secret
    until = [
        next_poll(now, poll_seconds=pace.poll_seconds, random=random) for _ in range(POLL_BATCH)
    ]
    with sessions.transaction() as session:
        due = repository.take_due(session, now=now, until=until, limit=POLL_BATCH)
    for tuning in due:
        provider = providers.find(tuning.provider)
        if told := _ask(tuning, provider, now=now, deadline_hours=pace.deadline_hours):
            _write_told(tuning, told, sessions=sessions)
    return len(due)


def has_due_tunings(now: datetime, *, sessions: Sessions) -> bool:
    with sessions.reading() as session:
        return repository.has_due(session, now=now)


def _ask(
    tuning: TuningRun, provider: TuningProvider, *, now: datetime, deadline_hours: float
) -> ProviderTuning | None:
    resource_name = tuning.resource_name or ""
    try:
        told = provider.poll(resource_name)
        if told.state in FINAL_STATES:
            return told
        if is_overdue(now, tuning.submitted_at, deadline_hours=deadline_hours):
            provider.cancel(resource_name)
            return _ended_without(told, "deadline_exceeded", f"longer than {deadline_hours} h")
    except NotFound as error:
        gone = ProviderTuning(resource_name, TuningState.FAILED, "NOT_FOUND")
        return _ended_without(gone, "tuning_not_found", error.message)
    except TunecurveError as error:
        log.warning("tuning_poll_failed", tuning_id=tuning.id, code=error.code)
        return None
    return told


def _ended_without(told: ProviderTuning, kind: str, words: str) -> ProviderTuning:
    return ProviderTuning(
        told.resource_name,
        TuningState.FAILED,
        told.provider_state,
        error={"kind": kind, "message": words},
    )


def _write_told(tuning: TuningRun, told: ProviderTuning, *, sessions: Sessions) -> None:
    ended = told.state in FINAL_STATES
    with sessions.transaction() as session:
        row = repository.run_by_id(session, tuning.id)
        row.provider_state, row.polled_at = told.provider_state, utc_now()
        if ended:
            row.state = told.state.value
            row.result = _result_of(told)
            row.error = dict(told.error) if told.error else None
            row.finished_at = row.finished_at or utc_now()
    if ended:
        _tell_job(tuning, sessions=sessions)


def _tell_job(tuning: TuningRun, *, sessions: Sessions) -> None:
    """Wake the job of a tuning that has ended; until it could be woken, polling goes on."""
    woken = wake_job(tuning.job_id, sessions=sessions)
    with sessions.transaction() as session:
        row = repository.run_by_id(session, tuning.id)
        row.next_poll_at = None if woken else utc_now() + timedelta(seconds=1)
    log.info("tuning_ended", tuning_id=tuning.id, state=row.state, job_woken=woken)


def _result_of(told: ProviderTuning) -> dict[str, Any]:
    kept = asdict(told)
    return {
        key: kept[key]
        for key in (
            "base_model",
            "model",
            "endpoint",
            "checkpoints",
            "statistics",
            "hyperparameters",
            "training_tokens",
        )
    }
