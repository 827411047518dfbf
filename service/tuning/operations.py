"""Tunings: submitted exactly once, polled by the sweep, ended as a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import structlog

from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets.operations import DatasetView, ready_dataset
from service.errors import Fault, Internal, Invalid, NotFound, TunecurveError, Unavailable
from service.ids import Prefix, new_id
from service.inference.operations import record_usage
from service.jobs.lifecycle import Reason
from service.jobs.operations import wake_job
from service.jobs.ports import (
    InputNotReady,
    JobCancelled,
    JobKind,
    JobRun,
    Submission,
    Waiting,
)
from service.registry import Registry
from service.task_queue import Queue
from service.tuning import repository
from service.tuning.models import TunedModel, TuningRun
from service.tuning.polling import is_overdue, next_poll, settled_at
from service.tuning.ports import (
    FINAL_STATES,
    Hyperparameters,
    ProviderTuning,
    TuningProvider,
    TuningRequest,
    TuningState,
)
from service.tuning.schemas import PollSpec, TuneSpec

log = structlog.get_logger()

Providers = Registry[TuningProvider]
POLL_BATCH = 50
CANCEL_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TuningPace:
    """`poll_seconds` between two questions; `settle_seconds` after which a request that was
    sent is either listed by the provider or will never be.
    """

    poll_seconds: float
    settle_seconds: float
    deadline_hours: float


@dataclass(frozen=True, slots=True)
class ModelView:
    """What others need of a finished model."""

    id: str
    base_model: str
    endpoint: str
    location: str
    synthetic: bool


# ------------------------------------------------------------------------------- submission


def reserve_tuned(session: Session, submission: Submission, *, base_model: str) -> None:
    """Write the model row of a `tune` job; raises NotFound for a dataset of nobody's."""
    spec = TuneSpec.model_validate(submission.spec.model_dump())
    _require_dataset(session, spec.dataset, submission.project_id)
    repository.add(
        session,
        TunedModel(
            id=submission.outputs["model"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            provider=spec.provider,
            base_model=spec.base_model or base_model,
            train_size=spec.train_size,
            hyperparameters=spec.hyperparameters.model_dump(exclude_none=True),
            created_at=utc_now(),
        ),
    )


def _require_dataset(session: Session, dataset_id: str, project_id: str) -> None:
    try:
        ready_dataset(dataset_id, project_id=project_id, session=session)
    except InputNotReady:
        return  # reserved: the job will wait for it
    except NotFound as error:
        fault = Fault("/spec/dataset", "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error


def reserve_polled(session: Session, submission: Submission) -> None:
    """Write the model row of a `poll` job; the base model is learned from the provider."""
    spec = PollSpec.model_validate(submission.spec.model_dump())
    repository.add(
        session,
        TunedModel(
            id=submission.outputs["model"],
            project_id=submission.project_id,
            job_id=submission.id,
            provider=spec.provider,
            base_model="",
            created_at=utc_now(),
        ),
    )


def tune_kind(base_model: str) -> JobKind:
    """Return the `tune` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="tune",
        spec=TuneSpec,
        output="model",
        prefix=Prefix.MODEL,
        queue=Queue.TUNE,
        task="tuning.tune",
        reserve=partial(reserve_tuned, base_model=base_model),
        winds_down=True,
    )


POLL = JobKind(
    name="poll",
    spec=PollSpec,
    output="model",
    prefix=Prefix.MODEL,
    queue=Queue.TUNE,
    task="tuning.attach",
    reserve=reserve_polled,
    winds_down=True,
)


# ---------------------------------------------------------------------------------- running


def run_tune(
    run: JobRun, *, sessions: Sessions, providers: Providers, pace: TuningPace
) -> Waiting | None:
    """Take a `tune` job one step further: submit, wait, or end it."""
    spec = TuneSpec.model_validate(run.spec)
    provider = providers.find(spec.provider, pointer="/spec/provider")
    tuning = _tuning_of(run, sessions=sessions)
    if tuning is None:
        if run.cancelling:
            raise JobCancelled
        dataset, model = _inputs(run, spec, sessions=sessions)
        tuning = _write_intent(run, spec.provider)
        return _submit(run, tuning, _request(tuning, spec, dataset, model), provider, pace=pace)
    if tuning.resource_name is None:
        dataset, model = _inputs(run, spec, sessions=sessions)
        return _resume_submission(
            run, tuning, _request(tuning, spec, dataset, model), provider, pace=pace
        )
    return _see_through(run, tuning, provider, sessions=sessions)


def run_poll(
    run: JobRun, *, sessions: Sessions, providers: Providers, pace: TuningPace
) -> Waiting | None:
    """Take a `poll` job one step further: attach, wait, or end it."""
    spec = PollSpec.model_validate(run.spec)
    provider = providers.find(spec.provider, pointer="/spec/provider")
    tuning = _tuning_of(run, sessions=sessions)
    if tuning is None:
        if run.cancelling:
            raise JobCancelled
        provider.poll(spec.resource_name)  # it exists, or this job ends here
        tuning = _write_intent(run, spec.provider)
        return _accept(run, tuning, spec.resource_name, pace=pace)
    if tuning.resource_name is None:
        return _accept(run, tuning, spec.resource_name, pace=pace)
    return _see_through(run, tuning, provider, sessions=sessions)


def _tuning_of(run: JobRun, *, sessions: Sessions) -> TuningRun | None:
    with sessions.reading() as session:
        return repository.run_of_job(session, run.id)


def _inputs(run: JobRun, spec: TuneSpec, *, sessions: Sessions) -> tuple[DatasetView, TunedModel]:
    with sessions.reading() as session:
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
    if model is None:
        raise NotFound(f"no model {run.outputs['model']}", code="model_not_found")
    if str(spec.train_size) not in dataset.training_files:
        sizes = ", ".join(sorted(dataset.training_files, key=int))
        message = f"{dataset.id} has no training file of {spec.train_size} rows; it has: {sizes}"
        fault = Fault("/spec/train_size", "unknown_train_size", message)
        raise Invalid(message, code="unknown_train_size", faults=[fault])
    return dataset, model


def _request(
    tuning: TuningRun, spec: TuneSpec, dataset: DatasetView, model: TunedModel
) -> TuningRequest:
    file = dataset.training_files[str(spec.train_size)]
    validation: Mapping[str, Any] = dataset.splits.get("validation") or {}
    return TuningRequest(
        run_id=tuning.id,
        base_model=model.base_model,
        training_uri=file["uri"],
        validation_uri=validation.get("uri"),
        display_name=spec.display_name or f"tunecurve-{spec.train_size}-{tuning.id[-8:]}",
        hyperparameters=Hyperparameters(**spec.hyperparameters.model_dump()),
    )


def _write_intent(run: JobRun, provider: str) -> TuningRun:
    """Write down that a tuning is about to be sent, before it is."""
    tuning = TuningRun(
        id=new_id(Prefix.TUNING_RUN),
        project_id=run.project_id,
        job_id=run.id,
        provider=provider,
        state=TuningState.INTENDED.value,
        result={},
        intended_at=utc_now(),
    )
    with run.fenced() as session:
        repository.add(session, tuning)
    return tuning


def _submit(
    run: JobRun,
    tuning: TuningRun,
    request: TuningRequest,
    provider: TuningProvider,
    *,
    pace: TuningPace,
) -> Waiting:
    try:
        resource_name = provider.submit(request)
    except Unavailable:
        # The request may have arrived. It is looked for before it is ever sent again.
        log.warning("tuning_submission_unanswered", tuning_id=tuning.id)
        return Waiting(Reason.RETRY, seconds=pace.settle_seconds)
    log.info("tuning_submitted", tuning_id=tuning.id, base_model=request.base_model)
    return _accept(run, tuning, resource_name, pace=pace)


def _resume_submission(
    run: JobRun,
    tuning: TuningRun,
    request: TuningRequest,
    provider: TuningProvider,
    *,
    pace: TuningPace,
) -> Waiting:
    """Adopt the tuning that an earlier worker may have sent; send it only if there is none."""
    remaining = settled_at(tuning.intended_at, settle_seconds=pace.settle_seconds) - utc_now()
    if remaining > timedelta():
        return Waiting(Reason.RETRY, seconds=remaining.total_seconds())
    try:
        adopted = provider.find(tuning.id)
    except Unavailable:
        # What may have been started bills on: it is looked for as long as a tuning may take.
        if is_overdue(utc_now(), tuning.intended_at, deadline_hours=pace.deadline_hours):
            raise
        return Waiting(Reason.RETRY, seconds=pace.settle_seconds)
    if adopted is not None:
        log.info("tuning_adopted", tuning_id=tuning.id)
        return _accept(run, tuning, adopted, pace=pace)
    if run.cancelling:
        raise JobCancelled
    with run.fenced() as session:
        repository.run_by_id(session, tuning.id).intended_at = utc_now()
    return _submit(run, tuning, request, provider, pace=pace)


def _accept(run: JobRun, tuning: TuningRun, resource_name: str, *, pace: TuningPace) -> Waiting:
    now = utc_now()
    with run.fenced() as session:
        row = repository.run_by_id(session, tuning.id)
        row.resource_name = resource_name
        row.state = TuningState.ACCEPTED.value
        row.submitted_at = now
        row.next_poll_at = now + timedelta(seconds=min(1.0, pace.poll_seconds))
    return Waiting(Reason.PROVIDER)


def _see_through(
    run: JobRun, tuning: TuningRun, provider: TuningProvider, *, sessions: Sessions
) -> Waiting | None:
    match TuningState(tuning.state):
        case TuningState.SUCCEEDED:
            _complete(run, tuning, synthetic=provider.synthetic)
            return None
        case TuningState.CANCELLED if run.cancelling:
            raise JobCancelled
        case TuningState.CANCELLED:
            raise Invalid("the tuning was cancelled at the provider", code="provider_cancelled")
        case TuningState.FAILED:
            raise _failure(tuning)
        case _ if run.cancelling:
            provider.cancel(tuning.resource_name or "")
            with sessions.transaction() as session:
                repository.poll_soon(session, tuning.id, now=utc_now())
            return Waiting(Reason.PROVIDER, seconds=CANCEL_AGAIN_SECONDS)
        case _:
            return Waiting(Reason.PROVIDER)


def _failure(tuning: TuningRun) -> TunecurveError:
    error = tuning.error or {}
    words = error.get("message") or "no reason given"
    return Internal(
        f"the provider's tuning ended as {tuning.provider_state}: {words}",
        code=str(error.get("kind") or "provider_failed"),
    )


def _complete(run: JobRun, tuning: TuningRun, *, synthetic: bool) -> None:
    result = tuning.result
    with run.fenced() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is None or model.ready_at is not None:
            return
        model.base_model = model.base_model or result.get("base_model") or ""
        model.hyperparameters = {**(result.get("hyperparameters") or {}), **model.hyperparameters}
        model.resource_name = result.get("model")
        model.endpoint = result.get("endpoint")
        model.location = (result.get("endpoint") or "////").split("/")[3] or None
        model.checkpoints = result.get("checkpoints") or []
        model.statistics = result.get("statistics") or {}
        model.synthetic = synthetic
        model.ready_at = utc_now()
        record_usage(
            session,
            project_id=run.project_id,
            job_id=run.id,
            base_model=model.base_model,
            requests=0,
            prompt_tokens=0,
            output_tokens=0,
            training_tokens=int(result.get("training_tokens") or 0),
        )


# ---------------------------------------------------------------------------------- polling


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


# ----------------------------------------------------------------------------------- reading


def ready_model(model_id: str, *, project_id: str, session: Session) -> ModelView:
    """Return a finished model; raises NotFound `model_not_found` and InputNotReady."""
    row = repository.model(session, model_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    if row.ready_at is None:
        raise InputNotReady(row.job_id)
    return ModelView(
        id=row.id,
        base_model=row.base_model,
        endpoint=row.endpoint or "",
        location=row.location or "",
        synthetic=row.synthetic,
    )


def get_model(model_id: str, *, project_id: str, sessions: Sessions) -> TunedModel:
    """Return a model's row, or raise NotFound `model_not_found`."""
    with sessions.reading() as session:
        row = repository.model(session, model_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    return row


def list_models(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[TunedModel]:
    """Return a page of models, newest first."""
    with sessions.reading() as session:
        return repository.models(session, project_id, after=after, limit=limit)
