"""Ask again the rows of an evaluation that failed, and score it anew."""

from collections.abc import Mapping
from dataclasses import replace

from service.database import Session
from service.errors import Conflict
from service.evaluation import answer_repository, repository
from service.evaluation.models import Evaluation
from service.evaluation.schemas import EvaluateSpec
from service.jobs.dispatch import dispatch
from service.jobs.operations import Request, require_queue_room, reserve_ids, write_job
from service.jobs.ports import JobRecord, JobServices, reserve_nothing
from service.jobs.queries import get_job, require_ended


def retry_evaluation(
    evaluation_id: str,
    *,
    project_id: str,
    labels: Mapping[str, str],
    budget_nano: int | None,
    request_id: str | None,
    services: JobServices,
    open_jobs_limit: int,
) -> JobRecord:
    """Write a job that asks the evaluation's rows that failed or were never asked, and scores all.

    All other answers stay, and are not paid for again. Raises NotFound, RateLimited `queue_full`,
    Conflict `not_ready` while a job of the evaluation may still write, and `nothing_to_retry`.
    """
    with services.sessions.reading() as session:
        job_id = repository.get(session, evaluation_id, project_id=project_id).job_id
    require_ended(job_id, sessions=services.sessions)
    before = get_job(job_id, project_id=project_id, sessions=services.sessions)
    request = Request(
        kind="evaluate",
        spec=EvaluateSpec.model_validate(before.spec),
        labels={**before.labels, **labels},
        project_id=project_id,
        request_id=request_id,
        budget_nano=budget_nano,
    )
    kind = replace(services.kinds["evaluate"], reserve=reserve_nothing)
    submission = replace(reserve_ids(request, kind), outputs=before.outputs)
    with services.sessions.transaction() as session:
        row = repository.lock(session, evaluation_id)
        if row.job_id != job_id:
            raise Conflict(f"{evaluation_id} is asked again already", code="not_ready")
        require_queue_room(session, project_id, open_jobs_limit)
        job, _ = write_job(session, submission, kind=kind)
        _reopen(session, row, job.id)
    dispatch([job], services=services)
    return job


def _reopen(session: Session, row: Evaluation, job_id: str) -> None:
    """Forget the failures, and give the evaluation to another job."""
    failed = answer_repository.delete_failed(session, row.id)
    if not failed and row.ready_at is not None:
        message = f"no row of {row.id} has failed: its outcomes are {row.outcomes}"
        raise Conflict(message, code="nothing_to_retry")
    row.job_id, row.ready_at = job_id, None
