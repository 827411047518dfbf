"""The kind of job that ends as an experiment, and the row it reserves."""

from functools import partial

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Session
from service.datasets.operations import check_source
from service.datasets.queries import require_dataset
from service.evaluation.metrics.registry import METRICS
from service.experiments import repository
from service.experiments.estimates import estimate_experiment
from service.experiments.models import Experiment
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import variants_of
from service.ids import Prefix
from service.jobs.ports import (
    JobKind,
    Submission,
)
from service.task_queue import Queue


def reserve_experiment(session: Session, submission: Submission, *, base_model: str) -> None:
    """Write the experiment's row; what can be checked before any work is checked here."""
    spec = ExperimentSpec.model_validate(submission.spec)
    if spec.metric is not None:
        METRICS.find(spec.metric, pointer="/spec/metric")
    if spec.prepare is not None:
        variants_of(spec, None)
        check_source(
            session,
            spec.prepare,
            project_id=submission.project_id,
            pointer="/spec/prepare",
        )
    if spec.dataset is not None:
        require_dataset(session, spec.dataset, project_id=submission.project_id)
    repository.add(
        session,
        Experiment(
            id=submission.outputs["experiment"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            base_model=spec.base_model or base_model,
            metric=spec.metric,
            created_at=utc_now(),
        ),
    )


def experiment_kind(base_model: str, *, catalogue: Catalogue, location: str) -> JobKind:
    """Return the `experiment` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="experiment",
        spec=ExperimentSpec,
        output="experiment",
        prefix=Prefix.EXPERIMENT,
        queue=Queue.EXPERIMENT,
        task="experiments.run",
        reserve=partial(reserve_experiment, base_model=base_model),
        estimate=partial(
            estimate_experiment, base_model=base_model, location=location, catalogue=catalogue
        ),
        cleans_up_on_cancel=True,
    )
