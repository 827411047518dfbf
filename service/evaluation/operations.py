"""Operations of evaluation: reserve, run, shard and remove, and the two kinds of job for them."""

from functools import partial

from service.catalogue.catalogue import Catalogue
from service.catalogue.local_names import is_local
from service.clock import utc_now
from service.database import Session, Sessions, refuse_used
from service.datasets.queries import answer_form_of, require_dataset
from service.evaluation import answer_repository, repository
from service.evaluation.batches.lane import has_batch, run_batch_lane
from service.evaluation.lanes import REQUESTED, Lane
from service.evaluation.models import Evaluation
from service.evaluation.plans.checkpoints import settle_checkpoint
from service.evaluation.plans.checks import (
    check_controlled,
    check_judge,
    check_judges,
    check_local,
    check_model,
    check_score,
)
from service.evaluation.plans.estimates import estimate_evaluation
from service.evaluation.plans.plan import EvaluationPlan, plan_evaluation
from service.evaluation.ports import EvaluationServices, FindBaseModel, FindModel
from service.evaluation.results import complete, evaluation_folder
from service.evaluation.schemas import AskSpec, EvaluateSpec, VariantKind
from service.evaluation.setup_schemas import BEST_CHECKPOINT
from service.evaluation.stages.judges import run_judges
from service.evaluation.stages.prompt_search import settle_prompt
from service.evaluation.stages.requests import copy_cached_answers, run_shards, send_requests
from service.evaluation.stages.vertex_metrics import run_vertex_metrics
from service.ids import Prefix
from service.inference.cache import forget_answers
from service.jobs.ports import (
    JobCancelled,
    JobKind,
    JobRun,
    Placement,
    Submission,
    Waiting,
    reserve_nothing,
)
from service.jobs.shards import stop_shards
from service.storage.leftovers import Leftover, LeftoverKind
from service.task_queue import Queue


def reserve_evaluation(
    session: Session,
    submission: Submission,
    *,
    base_model: str,
    find_model: FindModel,
    find_base_model: FindBaseModel,
    catalogue: Catalogue,
) -> None:
    """Write the evaluation's row; raises Invalid for an unknown metric or what `check_base_model`
    refuses, NotFound for inputs.
    """
    spec = EvaluateSpec.model_validate(submission.spec)
    for position, name in enumerate(spec.metrics):
        check_score(name, spec.judge, pointer=f"/spec/metrics/{position}")
    require_dataset(session, spec.dataset, project_id=submission.project_id)
    form = answer_form_of(session, spec.dataset, project_id=submission.project_id)
    check_controlled(form, controlled=spec.controlled)
    name = spec.base_model or base_model
    check_judges(spec, spec.search, catalogue=catalogue)
    unlisted = check_model(session, spec, name, submission.project_id, find_model, catalogue)
    asked = _asked_model(session, submission, base_model=base_model, find=find_base_model)
    check_judge(
        session,
        spec.judge,
        (spec.dataset, spec.split),
        answered_by=[asked],
        project_id=submission.project_id,
        catalogue=catalogue,
    )
    if is_local(asked):
        check_local(spec, is_classifier=False)
    repository.add(
        session,
        Evaluation(
            id=submission.outputs["evaluation"],
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            model_id=spec.model,
            base_model=name,
            unlisted_model=unlisted,
            synthetic=catalogue.is_synthetic(asked),
            kind=spec.variant.value,
            shots=spec.shots,
            samples=spec.samples,
            split=spec.split,
            checkpoint=None if spec.checkpoint == BEST_CHECKPOINT else spec.checkpoint,
            lane=Lane.ONLINE if spec.lane is Lane.ONLINE else None,  # else chosen by what is known
            lane_reason=REQUESTED if spec.lane is Lane.ONLINE else None,
            created_at=utc_now(),
        ),
    )


def _asked_model(
    session: Session, submission: Submission, *, base_model: str, find: FindBaseModel
) -> str:
    """Return the base model that is asked, or whose tuned model is; a tuning may be under way."""
    spec = EvaluateSpec.model_validate(submission.spec)
    if spec.model is None:
        return spec.base_model or base_model
    return find(spec.model, project_id=submission.project_id, session=session)


def place_evaluation(
    session: Session,
    submission: Submission,
    *,
    base_model: str,
    find_base_model: FindBaseModel,
    catalogue: Catalogue,
) -> Placement:
    """Return who asks: the workers with this machine's models, or those who call a provider."""
    asked = _asked_model(session, submission, base_model=base_model, find=find_base_model)
    queue = Queue.EVALUATE_LOCAL if is_local(asked) else Queue.EVALUATE
    return Placement(queue, catalogue.is_synthetic(asked))


def evaluate_kind(
    base_model: str,
    *,
    find_model: FindModel,
    find_base_model: FindBaseModel,
    catalogue: Catalogue,
) -> JobKind:
    """Return the `evaluate` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="evaluate",
        spec=EvaluateSpec,
        output="evaluation",
        prefix=Prefix.EVALUATION,
        queue=Queue.EVALUATE,
        task="evaluation.run",
        reserve=partial(
            reserve_evaluation,
            base_model=base_model,
            find_model=find_model,
            find_base_model=find_base_model,
            catalogue=catalogue,
        ),
        estimate=partial(
            estimate_evaluation,
            base_model=base_model,
            catalogue=catalogue,
            find_model=find_model,
        ),
        preemptible=True,
        place=partial(
            place_evaluation,
            base_model=base_model,
            find_base_model=find_base_model,
            catalogue=catalogue,
        ),
        cleans_up_on_cancel=True,  # shards may still run, and a batch at the provider
    )


ASK = JobKind(
    name="ask",
    spec=AskSpec,
    output="evaluation",
    prefix=Prefix.EVALUATION,
    queue=Queue.EVALUATE,
    task="evaluation.ask",
    reserve=reserve_nothing,
    is_shard=True,
    preemptible=True,
)


def run_evaluate(run: JobRun, *, services: EvaluationServices) -> Waiting | None:
    """Get an answer to each row that has none, then score; a second run sends nothing again.

    A cancelled run stops its shards and its batch at the provider, and ends after them, when it
    is known what they cost.
    """
    if run.cancelling:
        waiting = stop_shards(run, services=services.shards.jobs)
        if waiting is not None:
            return waiting
        if not has_batch(run.outputs["evaluation"], sessions=services.sessions):
            raise JobCancelled
    spec = _settled(run, EvaluateSpec.model_validate(run.spec), services=services)
    if isinstance(spec, Waiting):
        return spec
    plan = plan_evaluation(run, spec, services=services)
    if plan is None:
        return None
    waiting = None
    if plan.spec.lane is not Lane.ONLINE:
        missing = _missing(plan, sessions=services.sessions)
        waiting = run_batch_lane(run, plan, requests=missing, services=services)
    waiting = waiting or _run_online(run, plan, services=services)
    waiting = waiting or run_judges(run, plan, services=services)
    if waiting is None:
        run_vertex_metrics(run, plan, services=services)
        complete(run, plan, services=services)
    return waiting


def _settled(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> EvaluateSpec | Waiting:
    """Return the spec with what validation rows choose: the checkpoint, or the prompt."""
    if spec.variant is VariantKind.OPTIMISED_PROMPT:
        return settle_prompt(run, spec, services=services)
    if spec.checkpoint == BEST_CHECKPOINT:
        return settle_checkpoint(run, spec, services=services) or spec
    return spec


def _run_online(
    run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices
) -> Waiting | None:
    """Get an answer to each row that has none: from the cache, in shards, or in this run."""
    if not _missing(plan, sessions=services.sessions):
        return None
    copy_cached_answers(run, plan, services=services)
    missing = _missing(plan, sessions=services.sessions)
    if not missing:
        return None
    waiting = run_shards(run, plan, requests=missing, services=services)
    return waiting or send_requests(run, plan, range(plan.rows), services=services)


def _missing(plan: EvaluationPlan, *, sessions: Sessions) -> int:
    with sessions.reading() as session:
        return plan.requests - answer_repository.count_answers(session, plan.evaluation_id)


def run_ask(run: JobRun, *, services: EvaluationServices) -> Waiting | None:
    """Get the answers to a shard of an evaluation's rows; its `evaluate` job scores them."""
    shard = AskSpec.model_validate(run.spec)
    plan = plan_evaluation(run, shard.evaluate, services=services)
    if plan is None:
        return None
    return send_requests(run, plan, range(shard.first, shard.last), services=services)


def remove_evaluation(session: Session, evaluation_id: str, *, project_id: str) -> list[Leftover]:
    """Delete an evaluation with its predictions, scores and cached answers.

    Returns what it leaves: its objects, and the batch at the provider. Raises NotFound, and
    Conflict `in_use` that names the experiments it belongs to.
    """
    row = repository.get(session, evaluation_id, project_id=project_id)
    batch = repository.find_batch(session, evaluation_id)
    batches = [batch.resource_name] if batch and batch.resource_name else []
    table_key = row.table_key
    refuse_used(repository.remove(session, evaluation_id), evaluation_id)
    forget_answers(session, evaluation_id, project_id=project_id)
    folder = evaluation_folder(project_id, evaluation_id)
    before_0_2 = [table_key] if table_key and not table_key.startswith(folder) else []
    return [
        Leftover(LeftoverKind.FOLDER, folder),
        Leftover(LeftoverKind.FOLDER, f"batches/{evaluation_id}"),  # of versions before 0.2
        *(Leftover(LeftoverKind.OBJECT, key) for key in before_0_2),
        *(Leftover(LeftoverKind.BATCH, name) for name in batches),
    ]
