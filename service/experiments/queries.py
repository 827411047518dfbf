"""Experiments with their variants as they stand."""

from collections.abc import Mapping

from service.database import Session, Sessions
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Conflict
from service.evaluation.judges.reports import JudgeReport
from service.evaluation.queries import get_evaluation
from service.evaluation.scoring.confidence import ConfidenceReport
from service.experiments import repository
from service.experiments.models import Experiment, VariantRow
from service.experiments.schemas import ExperimentSpec
from service.experiments.variant_view import VariantView
from service.jobs.lifecycle import State
from service.jobs.ports import JobRecord
from service.jobs.queries import children_of, job_states
from service.jobs.schemas import output_state
from service.tuning.queries import get_model


def get_experiment(
    experiment_id: str, *, project_id: str, sessions: Sessions
) -> tuple[Experiment, list[VariantView]]:
    """Return an experiment with its variants as they stand; raises NotFound."""
    with sessions.reading() as session:
        row = repository.get(session, experiment_id, project_id=project_id)
        variants = repository.variants(session, [row.id])
    jobs = {child.id: child for child in children_of(row.job_id, sessions=sessions)}
    return row, [
        _view(variant, jobs, project_id=project_id, sessions=sessions) for variant in variants
    ]


def ready_experiment(experiment_id: str, *, project_id: str, sessions: Sessions) -> Experiment:
    """Return an experiment whose report is there; raises NotFound, Conflict `not_ready`."""
    with sessions.reading() as session:
        row = repository.get(session, experiment_id, project_id=project_id)
    if row.ready_at is None or row.report_key is None or row.table_key is None:
        state = job_states([row.job_id], sessions=sessions).get(row.job_id, "gone")
        message = f"{experiment_id} has no report: its job {row.job_id} is {state}"
        message += ", its `error` says why" if state == State.FAILED else ""
        raise Conflict(message, code="not_ready")
    return row


def list_experiments(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[tuple[Experiment, list[VariantView]]]:
    """Return a page of experiments with their variants, newest first."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
    return [get_experiment(row.id, project_id=project_id, sessions=sessions) for row in rows]


def _view(
    variant: VariantRow, jobs: Mapping[str, JobRecord], *, project_id: str, sessions: Sessions
) -> VariantView:
    evaluation, scores = get_evaluation(
        variant.evaluation_id, project_id=project_id, sessions=sessions
    )
    first = scores[0] if scores else None
    job = jobs.get(variant.evaluate_job_id)
    epochs = _epochs(variant, project_id=project_id, sessions=sessions)
    reasons = [_reason(each) for each in (jobs.get(variant.tune_job_id or ""), job) if each]
    return VariantView(
        name=variant.name,
        kind=variant.kind,
        base_model=evaluation.base_model,
        train_size=variant.train_size,
        hyperparameters=variant.hyperparameters if variant.train_size else None,
        epochs=epochs,
        checkpoint=evaluation.checkpoint,
        replicate=variant.replicate,
        shots=variant.shots,
        state=output_state(State(job.state) if job else None, ready=bool(evaluation.ready_at)),
        metric=first.metric if first else None,
        score=first.value if first else None,
        low=first.low if first else None,
        high=first.high if first else None,
        coverage=first.coverage if first else None,
        test_rows=first.rows if first else None,
        n=first.n if first else None,
        worst=first.worst if first else None,
        best=first.best if first else None,
        groups=first.groups if first else None,
        leaky=first.leaky if first else False,
        model=variant.model_id,
        evaluation=variant.evaluation_id,
        error=next((reason for reason in reasons if reason), None),
        judge=JudgeReport.model_validate(evaluation.judge) if evaluation.judge else None,
        confidence=[ConfidenceReport.model_validate(each) for each in evaluation.confidence or ()],
    )


def _epochs(variant: VariantRow, *, project_id: str, sessions: Sessions) -> int | None:
    """Return how many epochs a variant's model was tuned for, also where the provider chose."""
    if variant.model_id is None:
        return None
    model = get_model(variant.model_id, project_id=project_id, sessions=sessions)
    found = model.hyperparameters.get("epochs")
    return None if found is None else int(found)


def _reason(job: JobRecord) -> str | None:
    """Return why a child has no result: its error's code, or that it was cancelled."""
    if job.state == State.CANCELLED:
        return "cancelled"
    return str(job.error["code"]) if job.error and job.state == State.FAILED else None


def given_dataset(session: Session, spec: ExperimentSpec, project_id: str) -> DatasetView | None:
    """Return the dataset that a spec names, None where it has one made; raises InputNotReady."""
    if spec.dataset is None:
        return None
    return ready_dataset(spec.dataset, project_id=project_id, session=session)
