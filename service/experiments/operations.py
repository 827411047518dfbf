"""Operations of experiments: reserve, run and remove, and the kind of job for them."""

from collections.abc import Sequence
from functools import partial

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_samples
from service.catalogue.local_names import is_local
from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets.examples import Split
from service.datasets.operations import check_source
from service.datasets.queries import (
    answer_form_of,
    require_dataset,
    require_pairs,
    require_train_sizes,
    validation_rows,
)
from service.datasets.schemas import PrepareSpec
from service.errors import Fault, Invalid
from service.evaluation.metrics.registry import METRICS, find_score
from service.evaluation.plans.checks import (
    check_controlled,
    check_judge,
    check_judges,
    check_local,
    check_score,
)
from service.evaluation.setup_schemas import BEST_CHECKPOINT
from service.experiments import repository
from service.experiments.children import write_children
from service.experiments.estimates import estimate_experiment
from service.experiments.final_tuning import write_final_tuning
from service.experiments.model_checks import check_models
from service.experiments.models import Experiment
from service.experiments.prepared_variants import write_prepared_variants
from service.experiments.race import next_lap
from service.experiments.schemas import ExperimentSpec
from service.experiments.summary import experiment_folder, summarise
from service.experiments.variants import (
    label_checks,
    models_of,
    tuned_models_of,
    variants_of,
)
from service.ids import Prefix
from service.jobs.budgets import BudgetExhausted, refuse_if_used_up
from service.jobs.dispatch import dispatch
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.ports import (
    JobCancelled,
    JobKind,
    JobRecord,
    JobRun,
    JobServices,
    Placement,
    Submission,
    Waiting,
)
from service.jobs.queries import children_of
from service.jobs.shards import stop_shards
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.ports import ObjectStore
from service.task_queue import Queue
from service.tuning.ports import TuningMethod
from service.tuning.preflight.facts import Preflight


def reserve_experiment(
    session: Session, submission: Submission, *, base_model: str, catalogue: Catalogue
) -> None:
    """Write the experiment's row; what can be checked before any work is checked here."""
    spec = ExperimentSpec.model_validate(submission.spec)
    if spec.metric is not None:
        check_score(spec.metric, spec.judge, pointer="/spec/metric")
    _check_validation(session, spec, submission.project_id)
    if spec.prepare is not None:
        _check_new_dataset(session, spec, spec.prepare, submission.project_id)
    if spec.dataset is not None:
        _check_dataset(session, spec, spec.dataset, submission.project_id)
    name = spec.base_model or base_model
    _check_local(spec, name)
    check_judges(spec, spec.optimised_prompt, catalogue=catalogue)
    for each in models_of(spec, name):
        check_samples(catalogue, each, samples=spec.samples)
    check_judge(
        session,
        spec.judge,
        (spec.dataset or "", Split.TEST),
        answered_by=models_of(spec, name),
        project_id=submission.project_id,
        catalogue=catalogue,
    )
    unlisted = check_models(spec, name, catalogue=catalogue)
    repository.add(
        session,
        Experiment(
            id=submission.outputs["experiment"],
            name=spec.name,
            project_id=submission.project_id,
            job_id=submission.id,
            dataset_id=spec.dataset,
            base_model=name,
            unlisted_model=unlisted,
            synthetic=_is_synthetic(spec, name, catalogue=catalogue),
            metric=spec.metric,
            created_at=utc_now(),
        ),
    )


def _check_new_dataset(
    session: Session, spec: ExperimentSpec, prepare: PrepareSpec, project_id: str
) -> None:
    """Check what an experiment asks of the dataset that it makes."""
    label_checks(variants_of(spec, None), spec)
    preset = check_source(session, prepare, project_id=project_id, pointer="/spec/prepare")
    check_controlled(preset.answer, controlled=spec.controlled)
    _check_race(spec, preset.metrics)
    _check_pairs(spec, has_pairs=preset.pairs)


def _check_dataset(
    session: Session, spec: ExperimentSpec, dataset_id: str, project_id: str
) -> None:
    """Check what an experiment asks of a dataset that there is, or will be."""
    sizes = {f"/spec/train_sizes/{at}": size for at, size in enumerate(spec.train_sizes)}
    require_train_sizes(session, dataset_id, sizes, project_id=project_id)
    row = require_dataset(session, dataset_id, project_id=project_id)
    _check_race(spec, row.metrics)
    if spec.method is TuningMethod.PREFERENCE:
        require_pairs(session, dataset_id, project_id=project_id, pointer="/spec/method")
    form = answer_form_of(session, dataset_id, project_id=project_id)
    check_controlled(form, controlled=spec.controlled)


def _check_validation(session: Session, spec: ExperimentSpec, project_id: str) -> None:
    """Raise Invalid `validation_rows_missing` where checkpoints are to be chosen without any."""
    if spec.checkpoint != BEST_CHECKPOINT:
        return
    rows = spec.prepare.validation_size if spec.prepare else None
    if spec.prepare is not None and spec.prepare.validation_source is not None:
        return
    if spec.dataset is not None:
        rows = validation_rows(session, spec.dataset, project_id=project_id)
    if rows == 0:
        message = (
            "`checkpoint: best` chooses by validation rows, and there are none: prepare the "
            "dataset with `validation_size`"
        )
        fault = Fault("/spec/checkpoint", "validation_rows_missing", message)
        raise Invalid(message, code="validation_rows_missing", faults=[fault])


def _check_pairs(spec: ExperimentSpec, *, has_pairs: bool) -> None:
    """Raise Invalid `pairs_required` where the dataset to make has none to learn from."""
    if spec.method is TuningMethod.PREFERENCE and not has_pairs:
        message = "`method: preference` learns from pairs: prepare them with `form`: preference"
        fault = Fault("/spec/prepare/form", "pairs_required", message)
        raise Invalid(message, code="pairs_required", faults=[fault])


def _check_race(spec: ExperimentSpec, metrics: Sequence[str]) -> None:
    """Raise Invalid `metric_not_raced` where the primary metric is no mean over rows."""
    name = spec.metric or next(iter(metrics), "")
    if not spec.racing or not name or find_score(name).level == "example":
        return
    fit = ", ".join(each for each in METRICS if METRICS.find(each).level == "example")
    message = f"a race needs a metric that is a mean over rows, not {name}; such are: {fit}"
    fault = Fault("/spec/metric", "metric_not_raced", message)
    raise Invalid(message, code="metric_not_raced", faults=[fault])


def _is_synthetic(spec: ExperimentSpec, base_model: str, *, catalogue: Catalogue) -> bool:
    return any(map(catalogue.is_synthetic, models_of(spec, base_model)))


def _check_local(spec: ExperimentSpec, base_model: str) -> None:
    """Raise Invalid for what the local models among those that are compared cannot do."""
    tuned = {base_model: spec.trains_classifier}
    tuned |= {each.base_model: each.trains_classifier for each in spec.tune_models}
    local = [tuned.get(each, False) for each in models_of(spec, base_model) if is_local(each)]
    if local:
        check_local(spec, is_classifier=all(local))


def place_experiment(
    _session: Session, submission: Submission, *, base_model: str, catalogue: Catalogue
) -> Placement:
    """Return who writes the children, and whether an emulator answers some of them."""
    spec = ExperimentSpec.model_validate(submission.spec)
    name = spec.base_model or base_model
    return Placement(Queue.EXPERIMENT, _is_synthetic(spec, name, catalogue=catalogue))


def experiment_kind(base_model: str, *, catalogue: Catalogue) -> JobKind:
    """Return the `experiment` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="experiment",
        spec=ExperimentSpec,
        output="experiment",
        prefix=Prefix.EXPERIMENT,
        queue=Queue.EXPERIMENT,
        task="experiments.run",
        reserve=partial(reserve_experiment, base_model=base_model, catalogue=catalogue),
        estimate=partial(estimate_experiment, base_model=base_model, catalogue=catalogue),
        place=partial(place_experiment, base_model=base_model, catalogue=catalogue),
        cleans_up_on_cancel=True,
    )


def run_experiment(
    run: JobRun,
    *,
    store: ObjectStore,
    jobs: JobServices,
    catalogue: Catalogue,
    preflight: Preflight,
) -> Waiting | None:
    """Take an experiment one step further: plan it, wait for its children, or summarise it.

    Raises Invalid before the first child is written where its tunings could not work here.
    """
    sessions, spec = jobs.sessions, ExperimentSpec.model_validate(run.spec)
    with sessions.reading() as session:
        row = repository.get(session, run.outputs["experiment"], project_id=run.project_id)
    if row.ready_at is not None:
        _require_budget(run, children_of(run.id, sessions=sessions), sessions=sessions)
        return None
    if run.cancelling:
        waiting = stop_shards(run, services=jobs)
        if waiting is None:
            raise JobCancelled
        return waiting
    children: Sequence[JobRecord] = children_of(run.id, sessions=sessions)
    if not children:
        for name in tuned_models_of(spec, row.base_model):
            if not is_local(name):
                preflight.require(name)
        children = write_children(run, row, jobs=jobs)
        dispatch(children, services=jobs)
    ended = sum(State(child.state) not in OPEN for child in children)
    run.report(ended, len(children), unit="jobs", stage="children")
    if ended < len(children):
        return Waiting(Reason.CHILDREN)
    more = (
        write_prepared_variants(run, row, spec, children, jobs=jobs, store=store)
        or next_lap(run, spec, jobs=jobs, store=store)
        or write_final_tuning(run, spec, children, jobs=jobs)
    )
    if more:
        dispatch(more, services=jobs)
        return Waiting(Reason.CHILDREN)
    try:
        summarise(run, row, children, sessions=sessions, store=store, catalogue=catalogue)
    finally:  # where there is nothing to summarise, the budget is the better reason
        _require_budget(run, children, sessions=sessions)
    return None


def _require_budget(run: JobRun, children: Sequence[JobRecord], *, sessions: Sessions) -> None:
    """Raise BudgetExhausted when the budget has cut the work short; the summary stays."""
    for child in children:
        if (child.error or {}).get("code") == BudgetExhausted.default_code:
            name = child.labels.get("variant", child.kind)
            raise BudgetExhausted(f"{child.kind} ({name}): {(child.error or {})['detail']}")
    with sessions.transaction() as session:
        refuse_if_used_up(session, run.id)


def remove_experiment(session: Session, experiment_id: str, *, project_id: str) -> list[Leftover]:
    """Delete an experiment's rows and return the objects it leaves; what its jobs made stays.

    Raises NotFound.
    """
    row = repository.get(session, experiment_id, project_id=project_id)
    folder = experiment_folder(project_id, experiment_id)
    keys = [key for key in (row.report_key, row.table_key, row.archive_key) if key]
    repository.delete(session, row)
    return [
        Leftover(LeftoverKind.FOLDER, folder),
        *(Leftover(LeftoverKind.OBJECT, key) for key in keys if not key.startswith(folder)),
    ]
