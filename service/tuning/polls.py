"""How the sweep of paid operations asks about tunings."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from service.catalogue.locations import place_of
from service.errors import Conflict
from service.jobs.paid_operations.polls import PolledTable
from service.jobs.paid_operations.states import FoundOperation, OperationProgress, OperationStatus
from service.registry import Registry
from service.storage.ports import ObjectStore
from service.storage.staged_inputs import StagedInputs
from service.tuning.models import TuningRun
from service.tuning.ports import ProviderTuning, TrainingProgress, TuningProvider
from service.tuning.staging import staged_rows

Providers = Registry[TuningProvider]

# What is kept of a tuning that has ended, of the fields of `ProviderTuning`.
_RESULT = (
    "base_model",
    "model",
    "endpoint",
    "checkpoints",
    "statistics",
    "hyperparameters",
    "training_tokens",
)


def polled_tunings(
    providers: Callable[[], Providers], *, store: Callable[[], ObjectStore]
) -> PolledTable[TuningRun]:
    """Return how the sweep asks about tunings; providers and store are opened at the first one."""

    def place(row: TuningRun) -> str:
        return place_of(row.provider, row.resource_name or "")

    def poll(row: TuningRun) -> OperationStatus:
        return status_of(providers().find(row.provider).poll(row.resource_name or ""))

    def poll_many(rows: Sequence[TuningRun]) -> Mapping[str, OperationStatus]:
        jobs: dict[str, list[str]] = defaultdict(list)  # several may follow one tuning
        for row in rows:
            jobs[row.resource_name or ""].append(row.job_id)
        found = providers().find(rows[0].provider).poll_many(list(jobs))
        return {job: status_of(found[name]) for name in found for job in jobs[name]}

    def cancel(row: TuningRun) -> None:
        if row.attached:
            message = "others have started the tuning; it still runs, and is not waited for"
            raise Conflict(message, code="tuning_of_others")
        providers().find(row.provider).cancel(row.resource_name or "")

    def find(row: TuningRun) -> Sequence[FoundOperation]:
        return () if row.attached else providers().find(row.provider).find(row.id)

    def drop(row: TuningRun, resource_name: str) -> None:
        providers().find(row.provider).cancel(resource_name)

    def staged(row: TuningRun) -> StagedInputs:
        return staged_rows(row, store)

    return PolledTable(TuningRun, place, poll, cancel, find, drop, staged, poll_many)


def status_of(reported: ProviderTuning) -> OperationStatus:
    """Return what the sweep keeps of a reported tuning. Pure."""
    kept = {name: getattr(reported, name) for name in _RESULT}
    return OperationStatus(
        reported.state,
        reported.provider_state,
        error=reported.error,
        result=kept | {"checkpoints": list(reported.checkpoints)},
        phase=reported.phase.value,
        progress=_counted(reported.progress or TrainingProgress()),
        is_started=reported.phase.is_started,
    )


def _counted(told: TrainingProgress) -> OperationProgress | None:
    """Return the epochs that are done; the steps where only their number is told."""
    if told.epochs_total:
        return OperationProgress(told.epochs_done or 0, told.epochs_total, "epochs")
    if told.steps_total and told.steps_done is not None:
        return OperationProgress(told.steps_done, told.steps_total, "steps")
    return None
