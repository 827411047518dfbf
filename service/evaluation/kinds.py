"""The kind of job that ends as an evaluation, and the row it reserves."""

from functools import partial

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Session
from service.datasets.queries import require_dataset
from service.errors import Fault, NotFound
from service.evaluation import repository
from service.evaluation.estimates import estimate_evaluation
from service.evaluation.metrics.registry import METRICS
from service.evaluation.models import Evaluation
from service.evaluation.ports import FindModel
from service.evaluation.schemas import AskSpec, EvaluateSpec
from service.ids import Prefix
from service.jobs.ports import InputNotReady, JobKind, Submission
from service.task_queue import Queue


def reserve_evaluation(
    session: Session, submission: Submission, *, base_model: str, find_model: FindModel
) -> None:
    """Write the evaluation's row; raises Invalid for an unknown metric, NotFound for inputs."""
    spec = EvaluateSpec.model_validate(submission.spec)
    for position, name in enumerate(spec.metrics):
        METRICS.find(name, pointer=f"/spec/metrics/{position}")
    require_dataset(session, spec.dataset, project_id=submission.project_id)
    if spec.model is not None:
        _require_model(session, spec.model, submission.project_id, find_model)
    repository.add(
        session,
        Evaluation(
            id=submission.outputs["evaluation"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            model_id=spec.model,
            base_model=spec.base_model or base_model,
            kind=spec.variant.value,
            shots=spec.shots,
            samples=spec.samples,
            split=spec.split,
            created_at=utc_now(),
        ),
    )


def evaluate_kind(
    base_model: str, *, find_model: FindModel, catalogue: Catalogue, location: str
) -> JobKind:
    """Return the `evaluate` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="evaluate",
        spec=EvaluateSpec,
        output="evaluation",
        prefix=Prefix.EVALUATION,
        queue=Queue.EVALUATE,
        task="evaluation.run",
        reserve=partial(reserve_evaluation, base_model=base_model, find_model=find_model),
        estimate=partial(
            estimate_evaluation,
            base_model=base_model,
            location=location,
            catalogue=catalogue,
            find_model=find_model,
        ),
        preemptible=True,
        cleans_up_on_cancel=True,  # shards may still run, and a batch at the provider
    )


def _reserve_nothing(_session: Session, _submission: Submission) -> None:
    """A shard writes into the evaluation of its parent."""


ASK = JobKind(
    name="ask",
    spec=AskSpec,
    output="evaluation",
    prefix=Prefix.EVALUATION,
    queue=Queue.EVALUATE,
    task="evaluation.ask",
    reserve=_reserve_nothing,
    is_shard=True,
    preemptible=True,
)


def _require_model(session: Session, model_id: str, project_id: str, find_model: FindModel) -> None:
    try:
        find_model(model_id, project_id=project_id, session=session)
    except InputNotReady:
        return  # reserved: the job will wait for it
    except NotFound as error:
        fault = Fault("/spec/model", "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error
