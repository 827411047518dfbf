"""The end of an experiment: the curve, the answer, the report and the table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets.examples import Split
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Conflict, Fault, JobFailed, TunecurveError
from service.evaluation.exports.row_scores import read_test_scores
from service.evaluation.queries import get_evaluation
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.scores import check_signatures
from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.experiments import repository
from service.experiments.analysis import Analysis, analyse, analysis_json
from service.experiments.answer import answer
from service.experiments.final_tuning import final_model
from service.experiments.hyperparameter_sweep import variant_configuration
from service.experiments.learning_curve.curve import Point
from service.experiments.models import Experiment
from service.experiments.queries import get_experiment
from service.experiments.report.data import DatasetFacts, ReportData
from service.experiments.report.files import StoredReport, store_report
from service.experiments.report.queries import (
    ReportSources,
    details_of,
    find_label_errors,
    row_findings,
    shared_words,
)
from service.experiments.schemas import ExperimentSpec, experiment_links
from service.experiments.variant_costs import costs_of_variants
from service.experiments.variant_view import VariantView
from service.jobs.ports import (
    InputNotReady,
    JobRecord,
    JobRun,
)
from service.storage.object_keys import project_folder
from service.storage.ports import ObjectStore
from service.tuning.ports import TuningMethod


def summarise(
    run: JobRun,
    row: Experiment,
    children: Sequence[JobRecord],
    *,
    sessions: Sessions,
    store: ObjectStore,
    catalogue: Catalogue,
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
    rows = int(dataset.splits[Split.TEST.value]["rows"])
    full = [each for each in scored if (each.test_rows or 0) >= rows]
    sources = ReportSources(dataset, run.project_id, sessions, store)
    test, scores = _rows(full, metric, sources)
    analysis = analyse(
        metric,
        [_point(each, rows=rows, spec=spec) for each in variants],
        scores,
        test=test,
        costs=costs_of_variants(
            variants,
            project_id=run.project_id,
            catalogue=catalogue,
            sessions=sessions,
        ),
        spec=spec,
    )
    report = ReportData(
        experiment_id=row.id,
        title=row.name or f"{dataset.preset}: how much data does {row.base_model} need?",
        analysis=analysis,
        dataset=_facts(dataset),
        base_model=row.base_model,
        seed=spec.seed,
        synthetic=synthetic,
        leaky=any(variant.leaky for variant in scored),
        unlisted_model=row.unlisted_model,
        documented_only=spec.method is TuningMethod.PREFERENCE,
        created_at=utc_now(),
        ids=_ids(run, dataset, variants) | _final_words(final_model(children)),
        variants=details_of(variants, metric=metric, sources=sources),
        rows=row_findings(analysis.decision, variants, metric=metric, sources=sources),
        common=shared_words(sources),
        label_errors=find_label_errors(row.id, children, sources),
        unscored=list(_unscored(variants, children)),
    )
    stored = store_report(report, experiment_folder(run.project_id, row.id), store=store)
    _finish(run, row.id, report, stored, final=final_model(children))


def _finish(
    run: JobRun,
    experiment_id: str,
    report: ReportData,
    stored: StoredReport,
    *,
    final: tuple[str, int] | None,
) -> None:
    """Write the answer and the keys of the report into the experiment's row."""
    analysis = report.analysis
    with run.fenced() as session:
        done = repository.get(session, experiment_id, project_id=run.project_id)
        done.metric, done.synthetic = analysis.curve.metric, report.synthetic
        done.answer, done.verdict = answer(analysis), analysis.curve.verdict.value
        done.curve = analysis_json(analysis)
        done.report_key, done.table_key = stored.report_key, stored.table_key
        done.archive_key, done.files = stored.archive_key, stored.files
        done.ready_at = utc_now()
        run.conclude(session, _result(done, analysis, final))


def _rows(
    scored: Sequence[VariantView], metric: str, sources: ReportSources
) -> tuple[SharedRows, list[VariantScores]]:
    """Return the test rows that the scored variants share, and what each earned on them.

    Raises Conflict `signatures_differ`.
    """
    check_signatures({each.name: _signature(each, metric, sources) for each in scored})
    return read_test_scores(
        {each.name: each.evaluation for each in scored},
        sources.dataset,
        metric=metric,
        project_id=sources.project_id,
        sessions=sources.sessions,
        store=sources.store,
    )


def _signature(variant: VariantView, metric: str, sources: ReportSources) -> str | None:
    _, scores = get_evaluation(
        variant.evaluation, project_id=sources.project_id, sessions=sources.sessions
    )
    return next((score.signature for score in scores if score.metric == metric), None)


def _finished_dataset(
    session: Session, row: Experiment, children: Sequence[JobRecord]
) -> DatasetView:
    try:
        return ready_dataset(row.dataset_id or "", project_id=row.project_id, session=session)
    except InputNotReady as error:
        raise _no_scores(children) from error


def _unscored(
    variants: Sequence[VariantView], children: Sequence[JobRecord]
) -> Iterator[tuple[str, str]]:
    """Yield each variant without a score and why, in the words of its job that failed by itself."""
    for variant in variants:
        if variant.score is not None:
            continue
        errors = [
            child.error
            for child in children
            if child.labels.get("variant") == variant.name and child.error
        ]
        own = [each for each in errors if each["code"] != "input_failed"] or errors
        yield variant.name, own[0]["detail"] if own else variant.error or "no row was answered"


def _no_scores(children: Sequence[JobRecord]) -> TunecurveError:
    """Return the failure of the first child that failed by itself, in its own words."""
    failed = [child for child in children if child.error]
    own = [child for child in failed if (child.error or {}).get("code") != "input_failed"]
    for child in own or failed:
        error: Mapping[str, Any] = child.error or {}
        name = child.labels.get("variant", child.kind)
        return JobFailed(
            f"{child.kind} ({name}) failed: {error['detail']}",
            code=error["code"],
            title=error["title"],
            faults=[
                Fault(_pointer(fault["pointer"], child.kind), fault["code"], fault["message"])
                for fault in error.get("errors", [])
            ],
        )
    return Conflict("no variant was scored: its jobs were cancelled", code="no_scores")


def _pointer(pointer: str, kind: str) -> str:
    """Return where the experiment's spec has what a fault of a child's spec points at.

    A row of data stays as it is; what only the child's spec has points at the whole.
    """
    if not pointer.startswith("/spec"):
        return pointer
    if kind == "prepare":
        return pointer.replace("/spec", "/spec/prepare", 1)
    name = pointer.removeprefix("/spec").split("/")[1:2]
    return pointer if set(name) <= set(ExperimentSpec.model_fields) else "/spec"


def _is_synthetic(variants: Sequence[VariantView], project_id: str, *, sessions: Sessions) -> bool:
    return any(
        get_evaluation(variant.evaluation, project_id=project_id, sessions=sessions)[0].synthetic
        for variant in variants
    )


def _point(variant: VariantView, *, rows: int, spec: ExperimentSpec) -> Point:
    asked = variant.test_rows
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
        groups=variant.groups,
        configuration=variant_configuration(variant.hyperparameters) if spec.sweep else "",
        epochs=variant.epochs,
        replicate=variant.replicate,
        stopped_after=asked if spec.racing and asked is not None and asked < rows else None,
        base_model=variant.base_model if spec.tune_models and variant.train_size else "",
    )


def _facts(dataset: DatasetView) -> DatasetFacts:
    report = dataset.report
    dropped = {reason: int(drop["rows"]) for reason, drop in report.get("dropped", {}).items()}
    return DatasetFacts(
        id=dataset.id,
        rows=int(report.get("source_rows", 0)),
        kept=int(report.get("kept", 0)),
        dropped=dropped,
    )


def _ids(run: JobRun, dataset: DatasetView, variants: Sequence[VariantView]) -> dict[str, str]:
    evaluations = {f"evaluation of {each.name}": each.evaluation for each in variants}
    return {"job": run.id, "dataset": dataset.id, "fingerprint": dataset.fingerprint} | evaluations


def experiment_folder(project_id: str, experiment_id: str) -> str:
    """Return the folder of the store where an experiment has its page and its table."""
    return project_folder(project_id, "experiments", experiment_id)


def _final_words(final: tuple[str, int] | None) -> dict[str, str]:
    if final is None:
        return {}
    model, rows = final
    return {"final model": f"{model}, tuned on {rows:,} rows; not scored on rows it never saw"}


def _result(row: Experiment, analysis: Analysis, final: tuple[str, int] | None) -> dict[str, Any]:
    """Return in short what an experiment has found out, for its job and its last event."""
    decision = analysis.decision
    return {
        "answer": row.answer,
        "verdict": row.verdict,
        "worth": decision.worth.value,
        "recommended_size": decision.recommended and decision.recommended.train_size,
        "best_prompt": decision.best_prompt and decision.best_prompt.name,
        "final_model": final and final[0],
        "synthetic": row.synthetic,
        "links": experiment_links(row.id),
    }
