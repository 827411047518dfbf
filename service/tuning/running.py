"""One step of a `tune` or `poll` job: send it once, wait for it, end it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from service.catalogue.catalogue import Catalogue
from service.catalogue.locations import location_of
from service.clock import utc_now
from service.database import Sessions
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import (
    Fault,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    TunecurveError,
    Unavailable,
)
from service.ids import Prefix, new_id
from service.jobs.lifecycle import Reason
from service.jobs.ports import (
    JobCancelled,
    JobRun,
    Waiting,
)
from service.registry import Registry
from service.storage.ports import ObjectStore
from service.tuning import repository
from service.tuning.costs import enter_training, hold_training, release_training
from service.tuning.models import TunedModel, TuningRun
from service.tuning.polling import is_overdue, settled_at
from service.tuning.ports import (
    Hyperparameters,
    TuningProvider,
    TuningRequest,
    TuningState,
)
from service.tuning.schemas import PollSpec, TuneSpec

log = structlog.get_logger()

Providers = Registry[TuningProvider]
CANCEL_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TuningPace:
    """`poll_seconds` between two questions; `settle_seconds` after which a request that was
    sent is either listed by the provider or will never be.
    """

    poll_seconds: float
    settle_seconds: float
    deadline_hours: float


def run_tune(
    run: JobRun,
    *,
    sessions: Sessions,
    providers: Providers,
    pace: TuningPace,
    store: ObjectStore,
    catalogue: Catalogue,
) -> Waiting | None:
    """Take a `tune` job one step further: submit, wait, or end it.

    Raises BudgetExhausted when the family's budget does not hold what it will cost.
    """
    spec = TuneSpec.model_validate(run.spec)
    provider = providers.find(spec.provider, pointer="/spec/provider")
    tuning = _tuning_of(run, sessions=sessions)
    if tuning is None:
        if run.cancelling:
            raise JobCancelled
        dataset, model = _inputs(run, spec, sessions=sessions)
        hold_training(
            run,
            spec,
            dataset,
            base_model=model.base_model,
            sessions=sessions,
            store=store,
            catalogue=catalogue,
        )
        tuning = _write_intent(run, spec.provider)
        return _submit(run, tuning, _request(tuning, spec, dataset, model), provider, pace=pace)
    if tuning.resource_name is None:
        dataset, model = _inputs(run, spec, sessions=sessions)
        return _resume_submission(
            run, tuning, _request(tuning, spec, dataset, model), provider, pace=pace
        )
    return _see_through(run, tuning, provider, sessions=sessions, catalogue=catalogue)


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
    if spec.train_size not in dataset.train_sizes:
        sizes = ", ".join(map(str, dataset.train_sizes))
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
    except (Invalid, Forbidden, NotFound):
        release_training(run)
        raise
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
        release_training(run)
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
    run: JobRun,
    tuning: TuningRun,
    provider: TuningProvider,
    *,
    sessions: Sessions,
    catalogue: Catalogue | None = None,
) -> Waiting | None:
    """Wait for a tuning, or end its job; `catalogue` only where this job has paid for it."""
    match TuningState(tuning.state):
        case TuningState.SUCCEEDED:
            _complete(run, tuning, synthetic=provider.synthetic, catalogue=catalogue)
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


def _complete(
    run: JobRun, tuning: TuningRun, *, synthetic: bool, catalogue: Catalogue | None
) -> None:
    result = tuning.result
    with run.fenced() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is None or model.ready_at is not None:
            return
        _fill(model, result, synthetic=synthetic)
        if catalogue is not None:
            enter_training(
                session,
                run,
                base_model=model.base_model,
                tokens=int(result.get("training_tokens") or 0),
                epochs=model.hyperparameters.get("epochs"),
                catalogue=catalogue,
            )


def _fill(model: TunedModel, result: Mapping[str, Any], *, synthetic: bool) -> None:
    """Write into a model's row what its tuning has brought."""
    model.base_model = model.base_model or result.get("base_model") or ""
    model.hyperparameters = {**(result.get("hyperparameters") or {}), **model.hyperparameters}
    model.resource_name = result.get("model")
    model.endpoint = result.get("endpoint")
    model.location = location_of(model.endpoint or "") or None
    model.checkpoints = result.get("checkpoints") or []
    model.statistics = result.get("statistics") or {}
    model.synthetic = synthetic
    model.ready_at = utc_now()
