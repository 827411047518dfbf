"""The jobs that end as a model: `tune` pays for a tuning, `poll` attaches to one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from service.catalogue.catalogue import Catalogue
from service.database import Session, Sessions
from service.errors import Invalid, NotFound, ProviderFailed, TunecurveError
from service.ids import Prefix, new_id
from service.jobs.budgets import settle_ahead
from service.jobs.paid_operations.operations import advance
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.states import FoundOperation, OperationState
from service.jobs.ports import JobCancelled, JobRun, Waiting
from service.projects.access import no_such_tuning, require_tuning
from service.settings import Settings
from service.storage.ports import ObjectStore
from service.storage.staged_inputs import StagedInputs
from service.tuning import repository
from service.tuning.billing.bill import bill_of, row_findings
from service.tuning.billing.costs import enter_training, hold_training
from service.tuning.inputs.inputs import TuningInputs, check_inputs, read_inputs, request_of
from service.tuning.inputs.reuse import reuse_tuning, tuning_fingerprint
from service.tuning.models import TuningRun
from service.tuning.ports import Providers, TuningProvider
from service.tuning.preflight.facts import Preflight
from service.tuning.schemas import PollSpec, TuneSpec
from service.tuning.staged_inputs import staged_inputs, staging_folder


@dataclass(frozen=True, slots=True)
class TuningServices:
    """What tuning jobs work with; `deadline_hours` is how long one tuning may take, `most_open`
    how many may run at once of each provider (None, or left out: as many as there are). `store` has
    the rows, and the copies of them that are sent. `preflight`, by project, is asked before a
    tuning is paid for; None asks nothing.
    """

    sessions: Sessions
    providers: Providers
    pace: OperationPace
    deadline_hours: float
    catalogue: Catalogue
    most_open: Mapping[str, int | None]
    store: Callable[[], ObjectStore]
    preflight: Callable[[str], Preflight] | None = None


def open_limits(settings: Settings) -> Mapping[str, int | None]:
    """Return how many tunings may run at once of each provider: as set (0: without a limit), else
    as an emulator takes them, or one, which is all that every project of Google has.
    """
    limit, unset = settings.concurrent_tunings, None if settings.emulated else 1
    return {"vertex": unset if limit is None else limit or None}


def run_tune(run: JobRun, services: TuningServices) -> Waiting | None:
    """Take a `tune` job one step further: use an identical tuning again, or submit, wait, end.

    Raises BudgetExhausted when the budget of the job's tree does not hold what it will cost.
    """
    spec = TuneSpec.model_validate(run.spec)
    provider = services.providers(run.project_id).find(spec.provider, pointer="/spec/provider")
    operation = _Tuning(run, spec, provider, services)
    if not (spec.fresh or run.cancelling or _has_record(run, sessions=services.sessions)):
        fingerprint = operation.fingerprint(operation.inputs())
        if reuse_tuning(run, fingerprint, provider=provider, sessions=services.sessions):
            return None
    return _wait_or_complete(run, operation, services)


def _has_record(run: JobRun, *, sessions: Sessions) -> bool:
    with sessions.reading() as session:
        return repository.has_tuning(session, run.id)


def run_poll(run: JobRun, services: TuningServices) -> Waiting | None:
    """Take a `poll` job one step further: attach, wait, or end it."""
    spec = PollSpec.model_validate(run.spec)
    provider = services.providers(run.project_id).find(spec.provider, pointer="/spec/provider")
    return _wait_or_complete(run, _Attachment(run, spec, provider, services), services)


@dataclass(frozen=True, slots=True)
class _Attachment:
    """A tuning that exists at the provider already: there is nothing to pay for or to send."""

    run: JobRun
    spec: PollSpec
    provider: TuningProvider
    services: TuningServices
    pays = False

    @property
    def deadline(self) -> timedelta:
        return timedelta(hours=self.services.deadline_hours)

    def connect(self) -> None:
        """Raise NotFound where there is no such tuning, or it is another project's: in one and
        the same words, so that the answer does not show what others have.
        """
        try:
            found = self.provider.poll(self.spec.resource_name)
        except NotFound as error:
            raise no_such_tuning() from error
        with self.services.sessions.reading() as session:
            run = repository.tuning(session, found.run_id)
            owner = found.project_id or (run.project_id if run else "")
            if owner != self.run.project_id:
                require_tuning(session, self.spec.resource_name, project_id=self.run.project_id)

    def prepare(self) -> TuningRun:
        row = _new_run(self.run, self.spec.provider, self.provider.line)
        row.attached = True
        return row

    def staged(self, row: TuningRun) -> StagedInputs:
        return staged_inputs(row, self.services.store)

    def stage(self, _row: TuningRun) -> Sequence[str]:
        return ()  # its rows are with those who have started it

    def submit(self, _row: TuningRun, _inputs: Sequence[str]) -> str:
        return self.spec.resource_name

    @property
    def most_open(self) -> None:
        return None  # it runs already

    def find(self, _row: TuningRun) -> Sequence[FoundOperation]:
        return [FoundOperation(self.spec.resource_name, is_open=True)]

    def cancel(self, _resource_name: str) -> None:
        raise JobCancelled  # others have started the tuning: it still runs

    def release(self, session: Session, row: TuningRun) -> None:
        """Nothing was held."""


@dataclass(frozen=True, slots=True)
class _Tuning:
    """A tuning that its job sends and pays for."""

    run: JobRun
    spec: TuneSpec
    provider: TuningProvider
    services: TuningServices
    pays = True

    @property
    def deadline(self) -> timedelta:
        return timedelta(hours=self.services.deadline_hours)

    def connect(self) -> None:
        self.provider.connect()

    def prepare(self) -> TuningRun:
        inputs, catalogue = self.inputs(), self.services.catalogue
        check_inputs(inputs, catalogue=catalogue)
        if self.services.preflight is not None:
            uri = inputs.training_uri
            preflight = self.services.preflight(self.run.project_id)
            preflight.require(inputs.settings.base_model, training_uri=uri)
        planned = hold_training(self.run, inputs.dataset, inputs.settings, catalogue=catalogue)
        row = _new_run(self.run, self.spec.provider, self.provider.line)
        row.planned = planned
        row.staged_in = staging_folder(row, inputs.dataset.id)
        row.fingerprint = self.fingerprint(inputs)
        return row

    def staged(self, row: TuningRun) -> StagedInputs:
        return staged_inputs(row, self.services.store, dataset=self.spec.dataset)

    def stage(self, row: TuningRun) -> Sequence[str]:
        return self.staged(row).stage(self.inputs().row_keys)

    def submit(self, row: TuningRun, inputs: Sequence[str]) -> str:
        return self.provider.submit(request_of(row, self.spec, self.inputs(), rows=inputs))

    @property
    def most_open(self) -> int | None:
        return self.services.most_open.get(self.spec.provider)

    def find(self, row: TuningRun) -> Sequence[FoundOperation]:
        return self.provider.find(row.id)

    def cancel(self, resource_name: str) -> None:
        self.provider.cancel(resource_name)

    def release(self, session: Session, row: TuningRun) -> None:
        settle_ahead(session, row.job_id)

    def inputs(self) -> TuningInputs:
        return read_inputs(self.run, self.spec, sessions=self.services.sessions)

    def fingerprint(self, inputs: TuningInputs) -> str:
        places = self.services.catalogue.places
        return tuning_fingerprint(inputs.dataset, inputs.settings, places=places)


def _new_run(run: JobRun, provider: str, line: str) -> TuningRun:
    return TuningRun(
        id=new_id(Prefix.TUNING_RUN),
        project_id=run.project_id,
        provider=provider,
        line=line,
        result={},
    )


def _wait_or_complete(
    run: JobRun, operation: _Tuning | _Attachment, services: TuningServices
) -> Waiting | None:
    """Wait for a tuning, or end its job."""
    row = advance(run, operation, table=TuningRun, pace=services.pace, sessions=services.sessions)
    if isinstance(row, Waiting):
        return row
    if row.state != OperationState.SUCCEEDED:
        _keep_leftovers(run, row)
        raise _failure(row, cancelling=run.cancelling)
    catalogue = services.catalogue if operation.pays else None
    _complete(run, row, synthetic=operation.provider.synthetic, catalogue=catalogue)
    return None


def _keep_leftovers(run: JobRun, row: TuningRun) -> None:
    """Show on the model what a tuning that has not succeeded left; its deletion deletes that."""
    if row.result.get("model"):
        with run.fenced() as session:
            model = repository.model(session, run.outputs["model"], project_id=run.project_id)
            if model is not None:
                model.keep_leftovers(row.result)


def _failure(row: TuningRun, *, cancelling: bool) -> TunecurveError | JobCancelled:
    error = row.error or {}
    words = error.get("message") or "no reason given"
    if row.state == OperationState.CANCELLED and cancelling:
        return JobCancelled()
    if row.state == OperationState.CANCELLED and not error.get("kind"):
        return Invalid("the tuning was cancelled at the provider", code="provider_cancelled")
    left = row.result.get("model")
    remains = f"; it left {left} at the provider, which goes when the model is deleted"
    return ProviderFailed(
        f"the provider's tuning ended as {row.provider_state}: {words}{remains if left else ''}",
        code=str(error.get("kind") or "provider_failed"),
    )


def _complete(
    run: JobRun, tuning: TuningRun, *, synthetic: bool, catalogue: Catalogue | None
) -> None:
    result, planned = tuning.result, tuning.planned or {}
    findings = [*row_findings(result.get("statistics") or {}, expected=planned.get("examples"))]
    if findings:
        run.warn("training_rows_differ")
        run.warn(None)
    with run.fenced() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is None or model.ready_at is not None:
            return
        model.fill(result, synthetic=synthetic)
        if catalogue is None:
            return
        bill = bill_of(result, planned, base_model=model.base_model, catalogue=catalogue)
        model.billing = {"planned": planned, "billed": bill.as_json(), "findings": findings}
        enter_training(
            session,
            run,
            base_model=model.base_model,
            tokens=bill.tokens,
            epochs=1,  # counted in them
            synthetic=synthetic,
            catalogue=catalogue,
        )
