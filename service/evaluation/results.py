"""The results of an evaluation whose rows all have an outcome: its scores and its table.

Rows pass through once, some hundred at a time, to the metrics and into the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

from service.clock import utc_now
from service.datasets.examples import Example
from service.datasets.queries import stream_examples
from service.evaluation import repository
from service.evaluation.models import ScoreRow
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices
from service.evaluation.scoring.row_table import RowFacts, table_row, table_schema
from service.evaluation.scoring.scores import Score
from service.evaluation.scoring.votes import majority
from service.evaluation.totals import Totals, stored_rows
from service.jobs.ports import JobRun
from service.storage.object_keys import project_folder, put_content
from service.storage.ports import ObjectStore
from service.storage.table_subprocess import write_parquet_in_subprocess
from service.work_folders import work_folder

_CHUNK = 500


def complete(run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices) -> None:
    """Score an evaluation whose rows all have an outcome, and store the table of its rows."""
    run.report(plan.requests, plan.requests, unit="items", stage="scoring")
    totals = Totals(plan, partial(_references, plan, store=services.store))
    rows = _rows(run, plan, totals, services=services)
    key = _write_table(
        plan, rows, metrics=totals.names, project_id=run.project_id, store=services.store
    )
    with run.fenced() as session:
        row = repository.get(session, plan.evaluation_id, project_id=run.project_id)
        repository.put_scores(session, _score_rows(plan, totals.scores()))
        row.rows = totals.outcomes.total()
        row.setup = plan.setup.model_dump(mode="json")
        row.outcomes = dict(totals.outcomes)
        row.findings = [each.model_dump() for each in totals.findings.found()]
        confusion = totals.confusion
        row.confusion = confusion.matrix().model_dump() if confusion else None
        row.judge = totals.judge.report() if totals.judge else None
        row.confidence = [each.model_dump(mode="json") for each in totals.confidence()]
        row.usage = dict(totals.usage)
        row.synthetic = totals.synthetic
        row.base_model = plan.target.base_model  # of a tuned model known only now
        row.table_key = key
        row.ready_at = utc_now()


def _references(plan: EvaluationPlan, *, store: ObjectStore) -> Iterator[Sequence[str]]:
    for example in _examples(plan, store=store):
        yield example.references


def _examples(plan: EvaluationPlan, *, store: ObjectStore) -> Iterator[Example]:
    first = plan.spec.first_row
    return stream_examples(
        plan.dataset.examples_key, plan.split, first=first, last=first + plan.rows, store=store
    )


def _rows(
    run: JobRun, plan: EvaluationPlan, totals: Totals, *, services: EvaluationServices
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table, and add them to the totals."""
    examples = _examples(plan, store=services.store)
    facts = RowFacts(
        plan.evaluation_id, plan.spec.variant.value, plan.spec.model, plan.target.base_model
    )
    reader, position = plan.reader, plan.spec.first_row
    while chunk := list(islice(examples, _CHUNK)):
        run.check()
        ids = [example.id for example in chunk]
        with services.sessions.reading() as session:
            stored = stored_rows(session, plan, ids)
        answers = stored.samples
        elected = [majority(answers[example.id], reader, seed=plan.spec.seed) for example in chunk]
        totals.count_samples([sample for samples in answers.values() for sample in samples])
        totals.count_samples(stored.judge_calls)
        columns = totals.add(chunk, elected, stored)
        for example, each, own in zip(chunk, elected, columns, strict=True):
            row = table_row(
                facts,
                position,
                example,
                answers[example.id],
                elected=each.sample,
                answer=each.answer,
                agreement=each.agreement,
            )
            yield {**row, **own, "shot_ids": [shot.id for shot in plan.shots.of(example)]}
            position += 1


def _score_rows(plan: EvaluationPlan, scores: Sequence[Score]) -> list[ScoreRow]:
    stamp = {"evaluation_id": plan.evaluation_id, "leaky": plan.dataset.leaky}
    return [
        ScoreRow(**stamp, position=position, **asdict(each)) for position, each in enumerate(scores)
    ]


def evaluation_folder(project_id: str, evaluation_id: str) -> str:
    """Return the folder of the store where an evaluation has its table and its batch."""
    return project_folder(project_id, "evaluations", evaluation_id)


def _write_table(
    plan: EvaluationPlan,
    rows: Iterator[dict[str, Any]],
    *,
    metrics: Sequence[str],
    project_id: str,
    store: ObjectStore,
) -> str:
    metadata = {"evaluation_id": plan.evaluation_id}
    if plan.unlisted_model:
        metadata["unlisted_model"] = plan.target.base_model
    with work_folder() as folder:
        path = folder / "rows.parquet"
        write_parquet_in_subprocess(rows, path, schema=table_schema(metrics), metadata=metadata)
        return put_content(
            path,
            folder=evaluation_folder(project_id, plan.evaluation_id),
            suffix=".parquet",
            content_type="application/vnd.apache.parquet",
            store=store,
        ).key
