"""How the sweep of paid operations asks about tunings."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from service.catalogue.locations import place_of
from service.errors import Conflict
from service.jobs.paid_operations.polls import PolledTable
from service.jobs.paid_operations.states import FoundOperation, OperationProgress, OperationStatus
from service.storage.ports import ObjectStore
from service.tuning.models import TuningRun
from service.tuning.ports import (
    AccountOf,
    Providers,
    ProviderTuning,
    TrainingProgress,
    TuningProvider,
)
from service.tuning.staged_inputs import staged_inputs

# What is kept of a tuning that has ended, of the fields of `ProviderTuning`.
_RESULT = (
    "base_model",
    "method",
    "model",
    "endpoint",
    "checkpoints",
    "statistics",
    "evaluations",
    "hyperparameters",
    "training_tokens",
)


def own_identity(_project_id: str) -> str:
    """Return the service account of a project where none has one."""
    return ""


def polled_tunings(
    providers: Providers,
    *,
    account_of: AccountOf = own_identity,
    store: Callable[[], ObjectStore],
) -> PolledTable[TuningRun]:
    """Return how the sweep asks about tunings; providers and store are opened at the first one."""

    def provider_of(row: TuningRun) -> TuningProvider:
        return providers(row.project_id).find(row.provider)

    def poll(row: TuningRun) -> OperationStatus:
        return status_of(provider_of(row).poll(row.resource_name or ""))

    def poll_many(rows: Sequence[TuningRun]) -> Mapping[str, OperationStatus]:
        jobs: dict[str, list[str]] = defaultdict(list)  # several may follow one tuning
        for row in rows:
            jobs[row.resource_name or ""].append(row.job_id)
        found = provider_of(rows[0]).poll_many(list(jobs))
        return {job: status_of(found[name]) for name in found for job in jobs[name]}

    def cancel(row: TuningRun) -> None:
        if row.attached:
            message = "others have started the tuning; it still runs, and is not waited for"
            raise Conflict(message, code="tuning_of_others")
        provider_of(row).cancel(row.resource_name or "")

    def find(row: TuningRun) -> Sequence[FoundOperation]:
        return () if row.attached else provider_of(row).find(row.id)

    def drop(row: TuningRun, resource_name: str) -> None:
        provider_of(row).cancel(resource_name)

    return PolledTable(
        TuningRun,
        lambda row: place_of_tuning(row, account_of),
        poll,
        cancel,
        find,
        drop,
        lambda row: staged_inputs(row, store),
        poll_many,
    )


def place_of_tuning(row: TuningRun, account_of: AccountOf) -> str:
    """Return where a tuning runs, as its project's identity sees it."""
    return place_of(row.provider, row.resource_name or "", account=account_of(row.project_id))


def status_of(reported: ProviderTuning) -> OperationStatus:
    """Return what the sweep keeps of a reported tuning. Pure."""
    kept = {name: getattr(reported, name) for name in _RESULT}
    return OperationStatus(
        reported.state,
        reported.provider_state,
        error=reported.error,
        result={
            name: list(each) if isinstance(each, tuple) else each for name, each in kept.items()
        },
        phase=reported.phase.value,
        progress=_counted(reported.progress or TrainingProgress()),
        is_started=reported.phase.is_started,
    )


def _counted(progress: TrainingProgress) -> OperationProgress | None:
    """Return the epochs that are done; the steps where only their number is known."""
    if progress.epochs_total:
        return OperationProgress(progress.epochs_done or 0, progress.epochs_total, "epochs")
    if progress.steps_total and progress.steps_done is not None:
        return OperationProgress(progress.steps_done, progress.steps_total, "steps")
    return None
