"""The two kinds of jobs that end as a model, and the row each reserves."""

from functools import partial

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_base_model, check_region
from service.clock import utc_now
from service.database import Session
from service.datasets.queries import require_train_sizes
from service.ids import Prefix
from service.jobs.ports import (
    JobKind,
    Submission,
)
from service.task_queue import Queue
from service.tuning import repository
from service.tuning.costs import estimate_tuning
from service.tuning.models import TunedModel
from service.tuning.schemas import PollSpec, TuneSpec


def reserve_tuned(
    session: Session, submission: Submission, *, base_model: str, catalogue: Catalogue
) -> None:
    """Write the model row of a `tune` job; refuses a dataset or train size that is not there."""
    spec = TuneSpec.model_validate(submission.spec)
    require_train_sizes(
        session,
        spec.dataset,
        {"/spec/train_size": spec.train_size},
        project_id=submission.project_id,
    )
    asked = spec.base_model or base_model
    unlisted = check_base_model(
        catalogue, asked, tunes=True, allow_unlisted=spec.allow_unlisted_model
    )
    if not unlisted:
        check_region(catalogue, asked)
    repository.add(
        session,
        TunedModel(
            id=submission.outputs["model"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            provider=spec.provider,
            base_model=asked,
            unlisted_model=unlisted,
            train_size=spec.train_size,
            hyperparameters=spec.hyperparameters.model_dump(exclude_none=True),
            synthetic=catalogue.places.emulated,
            created_at=utc_now(),
        ),
    )


def reserve_polled(session: Session, submission: Submission) -> None:
    """Write the model row of a `poll` job; the provider names its base model."""
    spec = PollSpec.model_validate(submission.spec)
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


def tune_kind(base_model: str, *, catalogue: Catalogue) -> JobKind:
    """Return the `tune` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="tune",
        spec=TuneSpec,
        output="model",
        prefix=Prefix.MODEL,
        queue=Queue.TUNE,
        task="tuning.tune",
        reserve=partial(reserve_tuned, base_model=base_model, catalogue=catalogue),
        estimate=partial(estimate_tuning, base_model=base_model, catalogue=catalogue),
        synthetic=catalogue.places.emulated,
        cleans_up_on_cancel=True,
    )


POLL = JobKind(
    name="poll",
    spec=PollSpec,
    output="model",
    prefix=Prefix.MODEL,
    queue=Queue.POLL,
    task="tuning.poll",
    reserve=reserve_polled,
    cleans_up_on_cancel=True,
)
