"""A `tune` job whose model is trained on this machine, while the job holds its lease.

Nothing is paid for and nothing runs elsewhere, so there is no operation to submit and to poll: the
training is the job's own work. It is seen through from its newest checkpoint by the worker that
takes the job over.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.catalogue.catalogue import Catalogue
from service.catalogue.local_names import endpoint_below
from service.database import Sessions
from service.datasets.examples import Example, Split
from service.datasets.queries import DatasetView, stream_examples
from service.errors import TunecurveError
from service.inference.local.folders import LocalExtraMissing, LocalModels, LocalTask
from service.jobs.lifecycle import TERMINAL
from service.jobs.ports import JobCancelled, JobRun
from service.jobs.queries import job_states
from service.storage.ports import ObjectStore
from service.tuning import repository
from service.tuning.billing.costs import enter_training
from service.tuning.curves.records import record_metrics
from service.tuning.inputs.inputs import read_inputs
from service.tuning.local_reuse import record_training, reuse_training, training_fingerprint
from service.tuning.local_spec import DEFAULT_TRAINING
from service.tuning.ports import MetricPoint
from service.tuning.providers.local.plan import TrainingPlan, plan_training
from service.tuning.removal import model_folder
from service.tuning.schemas import TuneSpec

_WRITE_SECONDS = 1.0  # between two looks of a person at the curves


@dataclass(frozen=True, slots=True)
class LocalTuningServices:
    """What trainings here work with; `folder` keeps what a run that is taken over starts from."""

    sessions: Sessions
    store: ObjectStore
    models: LocalModels
    folder: Path
    catalogue: Catalogue


def run_local_tuning(run: JobRun, services: LocalTuningServices) -> None:
    """Train the model of a `tune` job, from the newest checkpoint of an earlier run.

    Raises Preempted with all of it saved, JobCancelled and LeaseLost within a step, and
    LocalExtraMissing.
    """
    folder = services.folder / run.id
    _remove_ended(services)
    if run.cancelling:
        shutil.rmtree(folder, ignore_errors=True)
        raise JobCancelled
    try:
        _train(run, folder, services)
    except TunecurveError as error:
        if not error.retryable:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _remove_ended(services: LocalTuningServices) -> None:
    """Delete what trainings left whose jobs have ended while no worker was there to do it."""
    left = [each.name for each in services.folder.glob("*")]
    states = job_states(left, sessions=services.sessions)
    for job_id in left:
        if states.get(job_id) in {None, *TERMINAL}:
            shutil.rmtree(services.folder / job_id, ignore_errors=True)


def _train(run: JobRun, folder: Path, services: LocalTuningServices) -> None:
    try:
        from service.tuning.providers.local.training import TrainingData, train
    except ImportError as error:
        raise LocalExtraMissing from error

    spec = TuneSpec.model_validate(run.spec)
    inputs = read_inputs(run, spec, sessions=services.sessions)
    dataset, model = inputs.dataset, inputs.model
    if model.ready_at is not None:
        return  # by an earlier run of this job
    data = TrainingData(
        train=_examples(dataset, Split.TRAIN, spec.train_size, store=services.store),
        validation=_examples(dataset, Split.VALIDATION, None, store=services.store)
        if spec.validation
        else [],
        instruction=dataset.instruction,
    )
    plan = _plan(spec, dataset, data.train, base_model=model.base_model)
    base = services.models.base(plan.base_model)
    fingerprint = training_fingerprint(dataset, spec, plan, base=base)
    if not spec.fresh and reuse_training(
        run, fingerprint, store=services.store, sessions=services.sessions
    ):
        return
    epochs = [plan.epochs] if spec.export_last_checkpoint_only else range(1, plan.epochs + 1)
    publisher = _Publisher(run, services, epochs)
    trained = train(plan, data, folder=folder, models=services.models, listener=publisher)
    result = {
        "model": publisher.key_at(trained.step),
        "endpoint": endpoint_below(publisher.key_at(trained.step)),
        "checkpoints": publisher.checkpoints(plan.steps_of_an_epoch(len(data.train))),
        "statistics": dict(trained.statistics),
        "hyperparameters": dict(plan.hyperparameters),
    }
    _complete(run, result, fingerprint, tokens=trained.tokens, services=services)


def _examples(
    dataset: DatasetView, split: Split, most: int | None, *, store: ObjectStore
) -> list[Example]:
    if split.value not in dataset.splits:
        return []
    return list(stream_examples(dataset.examples_key, split, last=most, store=store))


def _plan(
    spec: TuneSpec, dataset: DatasetView, examples: Sequence[Example], *, base_model: str
) -> TrainingPlan:
    from service.tuning.providers.local.rows import labels_of

    asked = spec.local or DEFAULT_TRAINING
    asked = asked.model_copy(update={"seed": asked.seed + spec.replicate})
    is_classifier = asked.task is LocalTask.SEQUENCE_CLASSIFICATION
    return plan_training(
        base_model,
        asked,
        spec.hyperparameters,
        labels=labels_of(examples, dataset.answer.labels) if is_classifier else (),
    )


class _Publisher:
    """Records what a training comes to: in the job's row, its curves and the object store.

    The checkpoints of some `epochs` are kept.
    """

    def __init__(self, run: JobRun, services: LocalTuningServices, epochs: Sequence[int]) -> None:
        self._run, self._services, self._epochs = run, services, epochs
        self._folder = model_folder(run.project_id, run.outputs["model"])
        self._points: list[MetricPoint] = []
        self._written_at = time.monotonic()

    def key_at(self, step: int) -> str:
        """Return the folder of the object store where the model after so many steps lies."""
        return f"{self._folder}/{step}"

    def checkpoints(self, steps_of_an_epoch: int) -> list[dict[str, Any]]:
        """Return the checkpoints that are kept, as other providers report theirs."""
        return [
            {
                "checkpoint_id": str(epoch),
                "epoch": epoch,
                "step": epoch * steps_of_an_epoch,
                "endpoint": endpoint_below(self.key_at(epoch * steps_of_an_epoch)),
            }
            for epoch in self._epochs
        ]

    def step_done(self, step: int, total: int) -> None:
        self._run.report(step, total, unit="steps", stage="training")
        self._run.check()
        if step < total:
            self._run.check_preemption()

    def measured(self, points: Sequence[MetricPoint]) -> None:
        self._points += points
        if time.monotonic() - self._written_at >= _WRITE_SECONDS:
            self._write_points()

    def _write_points(self) -> None:
        with self._run.fenced() as session:
            record_metrics(session, self._run.id, self._points)
        self._points, self._written_at = [], time.monotonic()

    def checkpoint_saved(self, folder: Path, *, step: int, epoch: int | None) -> None:
        self._write_points()  # a run that continues from here measures what comes after it
        if epoch in self._epochs:
            self._services.models.publish(folder, self.key_at(step))


def _complete(
    run: JobRun,
    result: dict[str, Any],
    fingerprint: str,
    *,
    tokens: int,
    services: LocalTuningServices,
) -> None:
    with run.fenced() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is None:
            return
        model.fill(result, synthetic=False)
        record_training(session, run, result, fingerprint=fingerprint)
        enter_training(
            session,
            run,
            base_model=model.base_model,
            tokens=tokens,
            epochs=1,
            synthetic=False,
            catalogue=services.catalogue,
        )
