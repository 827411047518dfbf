"""The race of an experiment: tuned variants are asked lap by lap, and losers are stopped.

Test rows are stored in an order that their content's hash gives, so the first of them are rows
drawn at random. Each lap is an evaluation of its own on more of them, which takes the answers of
the lap before from the cache.
"""

from collections.abc import Sequence

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.queries import DatasetView, ready_dataset
from service.evaluation.exports.row_scores import read_test_scores
from service.evaluation.metrics.registry import find_score
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.statistics.racing import race
from service.experiments import repository
from service.experiments.children import ChildWriter
from service.experiments.decisions.laps import laps
from service.experiments.queries import get_experiment
from service.experiments.schemas import ExperimentSpec
from service.experiments.variant_view import VariantView
from service.jobs.ports import JobKinds, JobRecord, JobRun, JobServices
from service.jobs.queries import spec_of
from service.storage.ports import ObjectStore


def next_lap(
    run: JobRun, spec: ExperimentSpec, *, jobs: JobServices, store: ObjectStore
) -> Sequence[JobRecord]:
    """Write the evaluations of the next lap for those not shown to lose; none after the last.

    Raises what reading the rows of finished evaluations raises.
    """
    if not spec.racing:
        return []
    row, variants = get_experiment(
        run.outputs["experiment"], project_id=run.project_id, sessions=jobs.sessions
    )
    with jobs.sessions.reading() as session:
        dataset = ready_dataset(row.dataset_id or "", project_id=run.project_id, session=session)
    ran = [each for each in variants if each.model and each.score is not None]
    asked = max((each.test_rows or 0 for each in ran), default=0)
    rows = int(dataset.splits[Split.TEST.value]["rows"])
    later = [each for each in laps(rows) if each > asked]
    if not ran or not later:
        return []
    stopped = _losers(ran, dataset, run.project_id, rows, sessions=jobs.sessions, store=store)
    going = [each.name for each in ran if each.test_rows == asked and each.name not in stopped]
    last = later[0] == rows
    return _write(run, row.id, going, None if last else later[0], kinds=jobs.kinds)


def _losers(
    ran: Sequence[VariantView],
    dataset: DatasetView,
    project_id: str,
    rows: int,
    *,
    sessions: Sessions,
    store: ObjectStore,
) -> set[str]:
    metric = ran[0].metric or ""
    test, scores = read_test_scores(
        {each.name: each.evaluation for each in ran},
        dataset,
        metric=metric,
        project_id=project_id,
        sessions=sessions,
        store=store,
    )
    runners = race(scores, test=test, looks=len(laps(rows)) - 1)
    best = max(ran, key=lambda each: (each.test_rows or 0, _merit(each, metric)))
    return {each.name for each in runners if each.is_stopped} - {best.name}


def _merit(variant: VariantView, metric: str) -> float:
    return find_score(metric).sign * (variant.score or 0.0)


def _write(
    run: JobRun, experiment_id: str, going: Sequence[str], rows: int | None, *, kinds: JobKinds
) -> Sequence[JobRecord]:
    """Write an evaluation of each variant that stays, all or none, in place of its last one."""
    with run.fenced() as session:
        writer = ChildWriter(session, run, kinds)
        for variant in repository.variants(session, [experiment_id]):
            if variant.name in going:
                before = spec_of(session, variant.evaluate_job_id)
                spec = EvaluateSpec.model_validate(before).model_copy(update={"last_row": rows})
                variant.evaluation_id = writer.add("evaluate", spec, variant.name)
                variant.evaluate_job_id = writer.jobs[-1].id
        session.flush()
    return writer.jobs
