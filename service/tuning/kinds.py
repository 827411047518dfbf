"""The two kinds of jobs that end as a model, and the row each reserves."""

from contextlib import suppress
from functools import partial

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_base_model, check_region
from service.catalogue.local_names import LOCAL
from service.clock import utc_now
from service.database import Session
from service.datasets.queries import ready_dataset, require_pairs, require_train_sizes
from service.ids import Prefix
from service.jobs.ports import InputNotReady, JobKind, Placement, Submission
from service.task_queue import Queue
from service.tuning import repository
from service.tuning.billing.costs import estimate_tuning
from service.tuning.inputs.access import NOWHERE, OwnPlace, require_allowed
from service.tuning.inputs.checks import check_rows, check_settings
from service.tuning.inputs.continuation import parent_of
from service.tuning.inputs.settings import settings_of
from service.tuning.models import TunedModel
from service.tuning.ports import TuningMethod
from service.tuning.schemas import PollSpec, TuneSpec


def reserve_tuned(
    session: Session,
    submission: Submission,
    *,
    base_model: str,
    catalogue: Catalogue,
    place: OwnPlace,
) -> None:
    """Write the model row of a `tune` job.

    Refuses a dataset, train size or earlier model that is not there, what the base model is known
    not to have, and what of Google's is not the project's to use.
    """
    spec = TuneSpec.model_validate(submission.spec)
    require_allowed(session, spec, project_id=submission.project_id, place=place)
    require_train_sizes(
        session,
        spec.dataset,
        {"/spec/train_size": spec.train_size},
        project_id=submission.project_id,
    )
    if spec.method is TuningMethod.PREFERENCE:
        require_pairs(
            session, spec.dataset, project_id=submission.project_id, pointer="/spec/method"
        )
    parent = parent_of(session, spec, project_id=submission.project_id)
    asked = parent.base_model if parent else spec.base_model or base_model
    unlisted = _check(spec, asked, catalogue=catalogue)
    with suppress(InputNotReady):
        dataset = ready_dataset(spec.dataset, project_id=submission.project_id, session=session)
        settings = settings_of(spec, base_model=asked, continue_from=None)
        check_rows(catalogue, settings, splits=dataset.splits)
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
            method=spec.method,
            continued_from=parent.id if parent else None,
            checkpoint=spec.continue_from.checkpoint if spec.continue_from else None,
            hyperparameters=spec.hyperparameters.model_dump(exclude_none=True),
            synthetic=catalogue.is_synthetic(asked),
            created_at=utc_now(),
        ),
    )


def _check(spec: TuneSpec, base_model: str, *, catalogue: Catalogue) -> bool:
    """Check what the catalogue knows; return whether the base model is one that it does not list,
    as the spec allows. Of a model attached to that is not there yet nothing is known.
    """
    if not base_model:
        return False
    unlisted = check_base_model(
        catalogue, base_model, tunes=True, allow_unlisted=spec.allow_unlisted_model
    )
    if not unlisted:
        check_region(catalogue, base_model)
    if catalogue.entry(base_model).listed:
        settings = settings_of(spec, base_model=base_model, continue_from=None)
        check_settings(catalogue, settings, continues=spec.continue_from is not None)
    return unlisted


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


def tune_kind(base_model: str, *, catalogue: Catalogue, place: OwnPlace = NOWHERE) -> JobKind:
    """Return the `tune` kind; `base_model` is what a spec without one gets, `place` our own."""
    return JobKind(
        name="tune",
        spec=TuneSpec,
        output="model",
        prefix=Prefix.MODEL,
        queue=Queue.TUNE,
        task="tuning.tune",
        reserve=partial(reserve_tuned, base_model=base_model, catalogue=catalogue, place=place),
        estimate=partial(estimate_tuning, base_model=base_model, catalogue=catalogue),
        place=partial(place_tuning, base_model=base_model, catalogue=catalogue),
        cleans_up_on_cancel=True,
    )


def place_tuning(
    _session: Session, submission: Submission, *, base_model: str, catalogue: Catalogue
) -> Placement:
    """Return who tunes: the workers with this machine's models, or those who ask a provider."""
    spec = TuneSpec.model_validate(submission.spec)
    queue = Queue.TUNE_LOCAL if spec.provider == LOCAL else Queue.TUNE
    return Placement(queue, catalogue.is_synthetic(spec.base_model or base_model))


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
