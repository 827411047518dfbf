"""Evaluations on validation rows by which another evaluation chooses what it asks.

Each is a job of its own below the one that waits for it, so a choice continues where it stopped,
pays for what it asks, and leaves all it saw.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.database import Session
from service.evaluation import repository
from service.evaluation.judges.rubric import score_name
from service.evaluation.metrics.registry import find_score
from service.evaluation.models import ScoreRow
from service.evaluation.ports import EvaluationServices
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.scoring.metric_runs import computed_metrics
from service.jobs.dispatch import dispatch
from service.jobs.operations import Request, reserve_ids, write_job
from service.jobs.ports import JobRecord, JobRun


def start_trials(
    run: JobRun,
    trials: Iterable[EvaluateSpec],
    *,
    labels: Mapping[str, str],
    services: EvaluationServices,
) -> Sequence[JobRecord]:
    """Write an evaluation for each spec, all or none, below the job that runs."""
    kind = services.shards.jobs.kinds["evaluate"]
    jobs = []
    with run.fenced() as session:
        for trial in trials:
            request = Request(kind=kind.name, spec=trial, labels=labels, project_id=run.project_id)
            submission = reserve_ids(request, kind, parent_id=run.id)
            jobs.append(write_job(session, submission, kind=kind)[0])
    dispatch(jobs, services=services.shards.jobs)
    return jobs


def judge_of_trials(spec: EvaluateSpec) -> dict[str, Any]:
    """Return the judge and the metrics of trials: a judge is paid where its score decides.

    One that compares with the answers of an evaluation has none on validation rows.
    """
    judge, names = spec.judge, spec.metrics
    if judge and judge.against is None and names[:1] == (score_name(judge),):
        return {"judge": judge}
    return {"judge": None, "metrics": computed_metrics(names)}


def first_scores(session: Session, trials: Sequence[JobRecord]) -> tuple[list[ScoreRow], bool]:
    """Return the score of each trial by its first metric, and whether more of it is better."""
    evaluations = [trial.outputs["evaluation"] for trial in trials]
    found = {
        each.evaluation_id: each
        for each in repository.scores(session, evaluations)
        if each.position == 0
    }
    scores = [found[each] for each in evaluations]
    return scores, find_score(scores[0].metric).higher_is_better
