"""The checkpoint that an evaluation asks: one that is named, or the best on validation rows.

The best is chosen by evaluations of every checkpoint on the validation split, each a job of its
own below the one that waits for it. Test rows take no part in it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from service.datasets.examples import Split
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Conflict, Fault, Invalid
from service.evaluation import repository
from service.evaluation.plans.validation_trials import first_scores, judge_of_trials, start_trials
from service.evaluation.ports import EvaluationServices, TunedEndpoint
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.setup_schemas import BEST_CHECKPOINT
from service.evaluation.statistics.intervals import standard_error
from service.jobs.ports import JobRecord, JobRun, Waiting
from service.jobs.queries import children_of
from service.jobs.shards import await_shards, refuse_incomplete


@dataclass(frozen=True, slots=True)
class ScoredCheckpoint:
    """A checkpoint's score on the validation rows, with the ends of its 95 % interval."""

    checkpoint: str
    epoch: int | None
    value: float | None
    low: float | None
    high: float | None
    evaluation: str


def choose_checkpoint(
    scored: Sequence[ScoredCheckpoint], *, higher_is_better: bool, groups: int
) -> ScoredCheckpoint | None:
    """Return the earliest checkpoint that scores within one standard error of the best. Pure.

    The standard error is the best one's; its rows come from so many `groups`. Of checkpoints that
    rows do not distinguish the one with the fewest passes is the simplest: it has had the least
    occasion to learn its rows by heart. Source: the one-standard-error rule of Breiman, Friedman,
    Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3; Hastie, Tibshirani
    and Friedman (2009), The Elements of Statistical Learning, section 7.10. None where nothing has
    a score.
    """
    sign = 1 if higher_is_better else -1
    known = [each for each in scored if each.value is not None]
    if not known:
        return None
    best = max(known, key=lambda each: sign * (each.value or 0))
    error = standard_error(best.low or 0, best.high or 0, freedom=max(1, groups - 1))
    least = sign * (best.value or 0) - error
    good = [each for each in known if sign * (each.value or 0) >= least]
    return min(good, key=lambda each: each.epoch or 0)


def settle_checkpoint(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> Waiting | None:
    """Choose the checkpoint of an evaluation of the best one; a second call chooses none again.

    Returns Waiting while evaluations on the validation rows are open. Raises the error of the first
    that failed, InputNotReady, and what `ready_dataset` raises.
    """
    evaluation_id = run.outputs["evaluation"]
    with services.sessions.reading() as session:
        row = repository.get(session, evaluation_id, project_id=run.project_id)
        model = services.find_model(spec.model or "", project_id=run.project_id, session=session)
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
    if row.checkpoint is not None:
        return None
    _require_choice(dataset, model)
    trials = _trials(run, services=services)
    if not trials:
        trials = _start_trials(run, spec, model, services=services)
    waiting = await_shards(trials)
    if waiting is not None:
        return waiting
    refuse_incomplete(trials)
    _record(run, model, trials)
    return None


def _require_choice(dataset: DatasetView, model: TunedEndpoint) -> None:
    """Raise Invalid where there are no validation rows to choose by, or nothing to choose from."""
    pointer, code = "/spec/checkpoint", "checkpoint_not_choosable"
    if not (dataset.splits.get(Split.VALIDATION.value) or {}).get("rows"):
        message = f"{dataset.id} has no validation rows, by which `best` chooses"
        raise Invalid(message, code=code, faults=[Fault(pointer, code, message)])
    if not model.checkpoints:
        message = "the model has no checkpoints, so `best` has nothing to choose from"
        raise Invalid(message, code=code, faults=[Fault(pointer, code, message)])


def _trials(run: JobRun, *, services: EvaluationServices) -> Sequence[JobRecord]:
    found = children_of(run.id, sessions=services.sessions)
    return [child for child in found if child.kind == "evaluate"]


def _start_trials(
    run: JobRun, spec: EvaluateSpec, model: TunedEndpoint, *, services: EvaluationServices
) -> Sequence[JobRecord]:
    trials = (
        spec.model_copy(
            update={
                "checkpoint": checkpoint.id,
                "split": "validation",
                "last_row": None,
                "vertex_metrics": (),
                **judge_of_trials(spec),
            }
        )
        for checkpoint in model.checkpoints
    )
    return start_trials(run, trials, labels=run.labels, services=services)


def _record(
    run: JobRun,
    model: TunedEndpoint,
    trials: Sequence[JobRecord],
) -> None:
    epochs = {each.id: each.epoch for each in model.checkpoints}
    with run.fenced() as session:
        scores, higher_is_better = first_scores(session, trials)
        found = []
        for trial, score in zip(trials, scores, strict=True):
            checkpoint = str(trial.spec["checkpoint"])
            found.append(
                ScoredCheckpoint(
                    checkpoint,
                    epochs.get(checkpoint),
                    score.value,
                    score.low,
                    score.high,
                    score.evaluation_id,
                )
            )
        groups = max((each.groups or each.n or 0 for each in scores), default=0)
        chosen = choose_checkpoint(found, higher_is_better=higher_is_better, groups=groups)
        if chosen is None:
            message = "no checkpoint has a score on the validation rows, so none can be chosen"
            raise Conflict(message, code="no_checkpoint_scored")
        row = repository.get(session, run.outputs["evaluation"], project_id=run.project_id)
        row.checkpoint = chosen.checkpoint
        row.checkpoints = [asdict(each) for each in found]


def endpoint_of(model: TunedEndpoint, spec: EvaluateSpec, chosen: str | None) -> str:
    """Return the endpoint of the checkpoint that is asked for, the model's own without one.

    Raises Invalid `checkpoint_not_found` with those that there are.
    """
    wanted = chosen if spec.checkpoint == BEST_CHECKPOINT else spec.checkpoint
    if wanted is None and spec.epoch is None:
        return model.endpoint
    for each in model.checkpoints:
        if each.endpoint and (each.id == wanted or (wanted is None and each.epoch == spec.epoch)):
            return each.endpoint
    field = "checkpoint" if wanted else "epoch"
    there = ", ".join(f"{each.id} (epoch {each.epoch})" for each in model.checkpoints) or "none"
    message = f"the model has no such checkpoint that can be asked; it has: {there}"
    fault = Fault(f"/spec/{field}", "checkpoint_not_found", message)
    raise Invalid(message, code="checkpoint_not_found", faults=[fault])
