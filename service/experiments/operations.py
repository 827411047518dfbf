"""Experiments: plan the variants, let children do the work, draw the curve."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from service.clock import rfc3339, utc_now
from service.database import Session, Sessions
from service.datasets.operations import DatasetView, check_source, ready_dataset
from service.errors import Conflict, Fault, Internal, NotFound
from service.evaluation.metrics.registry import METRICS
from service.evaluation.operations import get_evaluation
from service.evaluation.prompts import VariantKind
from service.evaluation.schemas import EvaluateSpec
from service.experiments import repository
from service.experiments.curve import LearningCurve, Point, answer, learning_curve
from service.experiments.models import Experiment, VariantRow
from service.experiments.planning import Variant, plan_variants
from service.experiments.report import DatasetFacts, ReportData, curve_rows, render_report
from service.experiments.schemas import ExperimentSpec, VariantView
from service.ids import Prefix, new_id
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.operations import (
    Job,
    JobKinds,
    Request,
    cancel_job,
    children_of,
    dispatch,
    reserve_ids,
    write_job,
)
from service.jobs.ports import (
    InputNotReady,
    JobCancelled,
    JobKind,
    JobRun,
    Submission,
    Waiting,
)
from service.jobs.schemas import output_state
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, write_parquet
from service.task_queue import Queue, TaskQueue
from service.tuning.schemas import TuneSpec

TABLE = TableSchema(
    columns={
        "experiment_id": "string",
        "metric": "string",
        "synthetic": "bool",
        "name": "string",
        "kind": "string",
        "train_size": "int64",
        "value": "float64",
        "low": "float64",
        "high": "float64",
        "coverage": "float64",
        "n": "int64",
        "worst": "float64",
        "best": "float64",
    }
)


# -------------------------------------------------------------------------------- submission


def reserve_experiment(session: Session, submission: Submission, *, base_model: str) -> None:
    """Write the experiment's row; what can be checked before any work is checked here."""
    spec = ExperimentSpec.model_validate(submission.spec.model_dump())
    if spec.metric is not None:
        METRICS.find(spec.metric, pointer="/spec/metric")
    if spec.prepare is not None:
        plan_variants(spec.prepare.train_sizes, shots=spec.shots)
        check_source(
            session,
            spec.prepare,
            project_id=submission.project_id,
            pointer="/spec/prepare",
        )
    if spec.dataset is not None:
        _require_dataset(session, spec.dataset, submission.project_id)
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


def _require_dataset(session: Session, dataset_id: str, project_id: str) -> None:
    try:
        ready_dataset(dataset_id, project_id=project_id, session=session)
    except InputNotReady:
        return
    except NotFound as error:
        fault = Fault("/spec/dataset", "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error


def experiment_kind(base_model: str) -> JobKind:
    """Return the `experiment` kind; `base_model` is used where a spec names none."""
    return JobKind(
        name="experiment",
        spec=ExperimentSpec,
        output="experiment",
        prefix=Prefix.EXPERIMENT,
        queue=Queue.EXPERIMENT,
        task="experiments.run",
        reserve=partial(reserve_experiment, base_model=base_model),
        winds_down=True,
    )


# ----------------------------------------------------------------------------------- running


def run_experiment(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    kinds: JobKinds,
    task_queue: TaskQueue,
) -> Waiting | None:
    """Take an experiment one step further: plan it, wait for its children, or sum it up."""
    with sessions.reading() as session:
        row = _require(session, run.outputs["experiment"], run.project_id)
    if row.ready_at is not None:
        return None
    children = children_of(run.id, sessions=sessions)
    if run.cancelling:
        return _wind_down(run, children, sessions=sessions, kinds=kinds, task_queue=task_queue)
    if not children:
        children = _begin(run, row, kinds=kinds, sessions=sessions)
        dispatch(children, kinds=kinds, sessions=sessions, task_queue=task_queue)
    ended = sum(State(child.state) not in OPEN for child in children)
    run.report(ended, len(children), unit="jobs", stage="children")
    if ended < len(children):
        return Waiting(Reason.CHILDREN)
    _sum_up(run, row, children, sessions=sessions, store=store)
    return None


def _wind_down(
    run: JobRun,
    children: Sequence[Job],
    *,
    sessions: Sessions,
    kinds: JobKinds,
    task_queue: TaskQueue,
) -> Waiting:
    still_open = [child for child in children if State(child.state) in OPEN]
    if not still_open:
        raise JobCancelled
    for child in still_open:
        try:
            cancel_job(
                child.id,
                project_id=run.project_id,
                kinds=kinds,
                sessions=sessions,
                task_queue=task_queue,
            )
        except Conflict:
            continue  # it has just ended
    return Waiting(Reason.CHILDREN, seconds=1.0)


def _begin(run: JobRun, row: Experiment, *, kinds: JobKinds, sessions: Sessions) -> list[Job]:
    """Write every child with its reserved output in one transaction: all of them or none."""
    spec = ExperimentSpec.model_validate(run.spec)
    with sessions.reading() as session:
        dataset = _given_dataset(session, spec, run.project_id)
    variants = plan_variants(_sizes(spec, dataset), shots=spec.shots)
    with run.fenced() as session:
        family = _Family(session, run, kinds)
        dataset_id = dataset.id if dataset else family.add("prepare", spec.prepare, "dataset")
        for position, variant in enumerate(variants):
            added = _add_variant(family, spec, row, variant, dataset_id)
            added.position = position
            repository.add(session, added)
        experiment = _require(session, row.id, run.project_id)
        experiment.dataset_id = dataset_id
    return family.jobs


def _given_dataset(session: Session, spec: ExperimentSpec, project_id: str) -> DatasetView | None:
    if spec.dataset is None:
        return None
    return ready_dataset(spec.dataset, project_id=project_id, session=session)


def _sizes(spec: ExperimentSpec, dataset: DatasetView | None) -> Sequence[int]:
    if spec.prepare is not None:
        return spec.prepare.train_sizes
    prepared = sorted(int(size) for size in dataset.training_files) if dataset else []
    return spec.train_sizes or prepared


class _Family:
    """The children of one experiment, written inside one transaction."""

    def __init__(self, session: Session, run: JobRun, kinds: JobKinds) -> None:
        self._session, self._run, self._kinds = session, run, kinds
        self.jobs: list[Job] = []

    def add(self, kind_name: str, spec: BaseModel | None, label: str) -> str:
        """Write one child and return the id of its output."""
        if spec is None:
            raise Internal(f"a child of kind {kind_name} needs a spec")
        kind = self._kinds[kind_name]
        request = Request(
            kind=kind_name,
            spec=spec,
            labels={**self._run.labels, "variant": label},
            project_id=self._run.project_id,
        )
        submission = reserve_ids(request, kind, parent_id=self._run.id)
        self.jobs.append(write_job(self._session, submission, kind=kind))
        return submission.outputs[kind.output]


def _add_variant(
    family: _Family, spec: ExperimentSpec, row: Experiment, variant: Variant, dataset_id: str
) -> VariantRow:
    model_id, tune_job_id = None, None
    if variant.train_size is not None:
        tune = TuneSpec(
            dataset=dataset_id,
            train_size=variant.train_size,
            base_model=row.base_model,
            hyperparameters=spec.hyperparameters,
            provider=spec.provider,
        )
        model_id = family.add("tune", tune, variant.name)
        tune_job_id = family.jobs[-1].id
    evaluate = EvaluateSpec(
        dataset=dataset_id,
        variant=variant.kind,
        model=model_id,
        base_model=row.base_model,
        shots=variant.shots,
        metrics=(spec.metric,) if spec.metric else (),
        max_output_tokens=spec.max_output_tokens,
        seed=spec.seed,
    )
    evaluation_id = family.add("evaluate", evaluate, variant.name)
    return VariantRow(
        id=new_id(Prefix.VARIANT),
        experiment_id=row.id,
        name=variant.name,
        kind=variant.kind.value,
        shots=variant.shots,
        train_size=variant.train_size,
        model_id=model_id,
        tune_job_id=tune_job_id,
        evaluation_id=evaluation_id,
        evaluate_job_id=family.jobs[-1].id,
    )


# -------------------------------------------------------------------------------- summing up


def _sum_up(
    run: JobRun,
    row: Experiment,
    children: Sequence[Job],
    *,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    """Draw the curve of the variants that have a score; raise when there is none."""
    spec = ExperimentSpec.model_validate(run.spec)
    row, variants = get_experiment(row.id, project_id=run.project_id, sessions=sessions)
    with sessions.reading() as session:
        dataset = _finished_dataset(session, row, children)
    scored = [variant for variant in variants if variant.score is not None]
    if not scored:
        raise _no_scores(children)
    metric = scored[0].metric or ""
    synthetic = _is_synthetic(variants, run.project_id, sessions=sessions)
    curve = learning_curve(metric, [_point(each) for each in variants], seed=spec.seed)
    report = ReportData(
        experiment_id=row.id,
        title=f"{dataset.preset}: how much data does {row.base_model} need?",
        curve=curve,
        dataset=_facts(dataset),
        base_model=row.base_model,
        seed=spec.seed,
        synthetic=synthetic,
        created_at=utc_now(),
        ids=_ids(run, dataset, variants),
    )
    report_key, table_key = _write(report, store=store)
    with run.fenced() as session:
        done = _require(session, row.id, run.project_id)
        done.metric, done.synthetic = metric, synthetic
        done.answer, done.verdict = answer(curve), curve.verdict.value
        done.curve = _curve_json(curve)
        done.report_key, done.table_key = report_key, table_key
        done.ready_at = utc_now()


def _finished_dataset(session: Session, row: Experiment, children: Sequence[Job]) -> DatasetView:
    try:
        return ready_dataset(row.dataset_id or "", project_id=row.project_id, session=session)
    except InputNotReady as error:
        raise _no_scores(children) from error


def _no_scores(children: Sequence[Job]) -> Internal:
    """Return the failure of the first child that failed by itself, in its own words."""
    failed = [child for child in children if child.error]
    own = [child for child in failed if (child.error or {}).get("code") != "input_failed"]
    for child in own or failed:
        error: Mapping[str, Any] = child.error or {}
        name = child.labels.get("variant", child.kind)
        faults = [
            Fault(fault["pointer"], fault["code"], fault["message"])
            for fault in error.get("errors", [])
        ]
        return Internal(
            f"{child.kind} ({name}) failed: {error['detail']}", code=error["code"], faults=faults
        )
    return Internal("no variant was scored: its jobs were cancelled", code="no_scores")


def _is_synthetic(variants: Sequence[VariantView], project_id: str, *, sessions: Sessions) -> bool:
    return any(
        get_evaluation(variant.evaluation, project_id=project_id, sessions=sessions)[0].synthetic
        for variant in variants
    )


def _point(variant: VariantView) -> Point:
    return Point(
        name=variant.name,
        kind=VariantKind(variant.kind),
        train_size=variant.train_size,
        value=variant.score,
        low=variant.low,
        high=variant.high,
        coverage=variant.coverage or 0.0,
        n=variant.n or 0,
        worst=variant.worst,
        best=variant.best,
    )


def _facts(dataset: DatasetView) -> DatasetFacts:
    report = dataset.report
    dropped = {reason: int(told["rows"]) for reason, told in report.get("dropped", {}).items()}
    return DatasetFacts(
        id=dataset.id,
        rows=int(report.get("source_rows", 0)),
        kept=int(report.get("kept", 0)),
        dropped=dropped,
    )


def _ids(run: JobRun, dataset: DatasetView, variants: Sequence[VariantView]) -> dict[str, str]:
    evaluations = {f"evaluation of {each.name}": each.evaluation for each in variants}
    return {"job": run.id, "dataset": dataset.id, "fingerprint": dataset.fingerprint} | evaluations


def _curve_json(curve: LearningCurve) -> dict[str, Any]:
    return {
        "metric": curve.metric,
        "verdict": curve.verdict.value,
        "points": [asdict(point) for point in curve.points],
        "baselines": [asdict(point) for point in curve.baselines],
        "fit": asdict(curve.fit) if curve.fit else None,
    }


def _write(report: ReportData, *, store: ObjectStore) -> tuple[str, str]:
    """Store the page and the table; return their keys."""
    with tempfile.TemporaryDirectory() as folder:
        page, table = Path(folder) / "report.html", Path(folder) / "curve.parquet"
        page.write_text(render_report(report), encoding="utf-8")
        rows = curve_rows(
            report.curve, experiment_id=report.experiment_id, synthetic=report.synthetic
        )
        metadata = {
            "experiment_id": report.experiment_id,
            "created_at": rfc3339(report.created_at),
        }
        write_parquet(rows, table, schema=TABLE, metadata=metadata)
        return (
            _put(page, "text/html; charset=utf-8", store=store),
            _put(table, "application/vnd.apache.parquet", store=store),
        )


def _put(path: Path, content_type: str, *, store: ObjectStore) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    key = f"experiments/{digest}{path.suffix}"
    store.put_file(key, path, content_type=content_type)
    return key


# ----------------------------------------------------------------------------------- reading


def _require(session: Session, experiment_id: str, project_id: str) -> Experiment:
    row = repository.find(session, experiment_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no experiment {experiment_id}", code="experiment_not_found")
    return row


def get_experiment(
    experiment_id: str, *, project_id: str, sessions: Sessions
) -> tuple[Experiment, list[VariantView]]:
    """Return an experiment with its variants as they stand; raises NotFound."""
    with sessions.reading() as session:
        row = _require(session, experiment_id, project_id)
        variants = repository.variants(session, [row.id])
    jobs = {child.id: child for child in children_of(row.job_id, sessions=sessions)}
    return row, [
        _view(variant, jobs, project_id=project_id, sessions=sessions) for variant in variants
    ]


def list_experiments(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[tuple[Experiment, list[VariantView]]]:
    """Return a page of experiments with their variants, newest first."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
    return [get_experiment(row.id, project_id=project_id, sessions=sessions) for row in rows]


def _view(
    variant: VariantRow, jobs: Mapping[str, Job], *, project_id: str, sessions: Sessions
) -> VariantView:
    evaluation, scores = get_evaluation(
        variant.evaluation_id, project_id=project_id, sessions=sessions
    )
    first = scores[0] if scores else None
    job = jobs.get(variant.evaluate_job_id)
    reasons = [_reason(each) for each in (jobs.get(variant.tune_job_id or ""), job) if each]
    return VariantView(
        name=variant.name,
        kind=variant.kind,
        train_size=variant.train_size,
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
        model=variant.model_id,
        evaluation=variant.evaluation_id,
        error=next((reason for reason in reasons if reason), None),
    )


def _reason(job: Job) -> str | None:
    """Return why a child has no result: its error's code, or that it was cancelled."""
    if job.state == State.CANCELLED:
        return "cancelled"
    return str(job.error["code"]) if job.error else None


def delete_experiment(experiment_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Delete an experiment; its dataset, models and evaluations stay.

    Raises NotFound, and Conflict `not_ready` while its job may still write.
    """
    with sessions.transaction() as session:
        row = _require(session, experiment_id, project_id)
        if row.ready_at is None:
            raise Conflict("its job has not ended; cancel the job first", code="not_ready")
        repository.delete(session, row)
