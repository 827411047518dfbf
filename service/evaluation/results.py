"""The results of an evaluation whose rows all have an outcome: its scores and its table.

Rows pass through once, some hundred at a time, to the metrics and into the table.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from service.clock import utc_now
from service.datasets.examples import Example
from service.datasets.presets.answer_form import AnswerKind
from service.datasets.queries import stream_examples
from service.evaluation import repository
from service.evaluation.answer_repository import Sample
from service.evaluation.models import ScoreRow
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.scoring.answers import ReadAnswer, bare_input
from service.evaluation.scoring.confidence import (
    ConfidenceReport,
    ConfidenceRows,
    ConfidenceSource,
    row_confidence,
)
from service.evaluation.scoring.confusion import ConfusionCounts
from service.evaluation.scoring.findings import FindingCounts
from service.evaluation.scoring.metric_runs import MetricRun, chosen_metrics, correct_by
from service.evaluation.scoring.row_table import RowFacts, table_row, table_schema
from service.evaluation.scoring.scores import Score, Scored, group_number
from service.evaluation.scoring.votes import Elected, majority
from service.evaluation.stored_rows import StoredRows, stored_rows
from service.evaluation.vertex_metrics.scores import VertexRun
from service.inference.ports import Outcome
from service.jobs.ports import JobRun
from service.storage.object_keys import project_folder, put_content
from service.storage.ports import ObjectStore
from service.storage.table_subprocess import write_parquet_in_subprocess

_CHUNK = 500


def complete(run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices) -> None:
    """Score an evaluation whose rows all have an outcome, and store the table of its rows."""
    run.report(plan.requests, plan.requests, unit="items", stage="scoring")
    totals = _Totals(plan, store=services.store)
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
        row.confidence = [each.model_dump(mode="json") for each in totals.confidence()]
        row.usage = dict(totals.usage)
        row.synthetic = totals.synthetic
        row.base_model = plan.target.base_model  # of a tuned model known only now
        row.table_key = key
        row.ready_at = utc_now()


class _Totals:
    """Scores, findings, outcomes and usage of the rows that have been added."""

    def __init__(self, plan: EvaluationPlan, *, store: ObjectStore) -> None:
        self._reader, self._rows = plan.reader, 0
        names = plan.spec.metrics or plan.dataset.metrics
        self.metrics = chosen_metrics(names, _references(plan, store=store))
        self._runs = [
            MetricRun(
                name,
                references=_references(plan, store=store),
                normal_form=plan.reader.normalisation.name,
            )
            for name in self.metrics
        ]
        asked = dict.fromkeys(plan.spec.vertex_metrics)
        self._vertex_runs = {
            metric: VertexRun(metric, normal_form=plan.reader.normalisation.name)
            for metric in asked
        }
        form = plan.reader.form
        self.confusion = ConfusionCounts(form.labels) if form.kind is AnswerKind.LABEL else None
        self.findings = FindingCounts()
        self._spec = plan.spec
        judge = plan.spec.verbal and (plan.spec.verbal.model or plan.target.base_model)
        self._confidence = ConfidenceRows(_sources(plan.spec), judge=judge or "")
        self.outcomes: Counter[str] = Counter()
        self.usage = Counter(requests=0, cached=0, prompt_tokens=0, output_tokens=0, uncounted=0)
        self.synthetic = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all scores, ours first."""
        return (*self.metrics, *(each.name for each in self._vertex_runs.values()))

    def add(
        self,
        examples: Sequence[Example],
        elected: Sequence[Elected],
        stored: StoredRows,
    ) -> list[dict[str, Any]]:
        """Add rows; return what each of them earned, what is wrong with it, and how sure it is, by
        column.
        """
        scored = [_scored(*pair) for pair in zip(examples, elected, strict=True)]
        earned = [run.take(scored) for run in self._runs]
        self.outcomes.update(each.outcome.value for each in scored)
        columns = [
            self._columns(example, each.answer, dict(zip(self.metrics, scores, strict=True)))
            for example, each, *scores in zip(examples, elected, *earned, strict=True)
        ]
        for example, each, row in zip(examples, elected, columns, strict=True):
            said = stored.replies.get(example.id, ())
            row.update(self._sure(example, each, stored.samples[example.id], said, row))
        for metric, run in self._vertex_runs.items():
            given = run.take(scored, stored.vertex_scores[metric])
            for row, value in zip(columns, given, strict=True):
                row["scores"][run.name] = value
        return columns

    def _sure(
        self,
        example: Example,
        elected: Elected,
        samples: Sequence[Sample],
        replies: Sequence[Sample],
        row: Mapping[str, Any],
    ) -> dict[str, Any]:
        found = row_confidence(elected, samples, replies)
        if elected.answer.outcome is Outcome.OK:
            self._confidence.add(
                found,
                correct=row["correct"],
                scores=row["scores"],
                group=group_number(example.group),
                replies=replies,
            )
        return {
            "confidence": found[ConfidenceSource.VOTE],
            "verbal_confidence": found[ConfidenceSource.VERBAL],
            "logprob": elected.sample.logprob,
        }

    def confidence(self) -> list[ConfidenceReport]:
        spec = self._spec
        return self._confidence.reports(
            target_precision=spec.target_precision,
            residual_leak=spec.residual_leak,
            seed=spec.seed,
        )

    def _columns(
        self, example: Example, answer: ReadAnswer, scores: dict[str, float | None]
    ) -> dict[str, Any]:
        found = [each.value for each in self._reader.findings(example, answer)]
        self.findings.add(self._rows, found)
        is_answered = answer.outcome is Outcome.OK
        if is_answered:
            self.findings.add_answer(self._rows, answer.text, example.references)
        if self.confusion:
            self.confusion.add(example.references, answer.text if is_answered else None)
        self._rows += 1
        return {"scores": scores, "findings": found, "correct": correct_by(scores)}

    def count_samples(self, samples: Sequence[Sample]) -> None:
        """Add what the answers took."""
        called = [each for each in samples if not each.cached]
        self.usage["requests"] += len(called)
        self.usage["cached"] += len(samples) - len(called)
        self.usage["uncounted"] += sum(each.uncounted for each in called)
        self.usage["prompt_tokens"] += sum(each.prompt_tokens for each in called)
        self.usage["output_tokens"] += sum(each.output_tokens for each in called)
        self.synthetic |= any(each.synthetic for each in samples)

    def scores(self) -> list[Score]:
        return [
            *(run.score() for run in self._runs),
            *(run.score() for run in self._vertex_runs.values()),
        ]


def _sources(spec: EvaluateSpec) -> Iterator[ConfidenceSource]:
    if spec.samples > 1:
        yield ConfidenceSource.VOTE
    if spec.verbal:
        yield ConfidenceSource.VERBAL
    if spec.logprobs:
        yield ConfidenceSource.LOGPROB


def _references(plan: EvaluationPlan, *, store: ObjectStore) -> Iterator[Sequence[str]]:
    for example in _examples(plan, store=store):
        yield example.references


def _examples(plan: EvaluationPlan, *, store: ObjectStore) -> Iterator[Example]:
    first = plan.spec.first_row
    return stream_examples(
        plan.dataset.examples_key, plan.split, first=first, last=first + plan.rows, store=store
    )


def _rows(
    run: JobRun, plan: EvaluationPlan, totals: _Totals, *, services: EvaluationServices
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
        totals.count_samples([reply for said in stored.replies.values() for reply in said])
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


def _scored(example: Example, elected: Elected) -> Scored:
    return Scored(
        example_id=example.id,
        outcome=elected.answer.outcome,
        prediction=elected.answer.text,
        references=example.references,
        group=example.group,
        raw=elected.answer.raw,
        text=bare_input(example.text),
    )


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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet_in_subprocess(rows, path, schema=table_schema(metrics), metadata=metadata)
        return put_content(
            path,
            folder=evaluation_folder(project_id, plan.evaluation_id),
            suffix=".parquet",
            content_type="application/vnd.apache.parquet",
            store=store,
        ).key
