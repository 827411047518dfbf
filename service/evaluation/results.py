"""The results of an evaluation whose rows all have an outcome: its scores and its table.

Rows pass through once, some hundred at a time, to the metrics and into the table. Of several
answers to one row the one given most often counts (self-consistency: Wang et al.,
Self-Consistency Improves Chain of Thought Reasoning in Language Models, 2023).
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from service.clock import utc_now
from service.datasets.examples import Example
from service.datasets.queries import stream_examples
from service.evaluation import repository
from service.evaluation.answers import AnswerReader, ReadAnswer
from service.evaluation.models import ScoreRow
from service.evaluation.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices
from service.evaluation.repository import Sample
from service.evaluation.scores import Score, Scored, Scorer
from service.inference.ports import Outcome
from service.jobs.ports import JobRun
from service.storage.object_keys import project_folder, put_content
from service.storage.ports import ObjectStore
from service.storage.table_subprocess import write_parquet_in_subprocess
from service.storage.tables import TableSchema

TABLE = TableSchema(
    version=3,
    columns={
        "evaluation_id": "string",
        "position": "int64",
        "example_id": "string",
        "outcome": "string",
        "prediction": "string",
        "answer": "string",
        "references": "strings",
        "finish_reason": "string",
        "error": "string",
        "shot_ids": "strings",
        "samples": "int64",
        "agreement": "int64",
        "prompt_tokens": "int64",
        "output_tokens": "int64",
        "synthetic": "bool",
        "cached": "bool",
        "answered_at": "timestamp",
    },
)
_CHUNK = 250


def complete(run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices) -> None:
    """Score an evaluation whose rows all have an outcome, and store the table of its rows."""
    run.report(plan.requests, plan.requests, unit="items", stage="scoring")
    totals = _Totals(
        [
            Scorer(name, references=_references(plan, store=services.store))
            for name in plan.spec.metrics or plan.dataset.metrics
        ]
    )
    rows = _rows(run, plan, totals, services=services)
    key = _write_table(plan, rows, project_id=run.project_id, store=services.store)
    scores = totals.scores()
    with run.fenced() as session:
        row = repository.get(session, plan.evaluation_id, project_id=run.project_id)
        repository.put_scores(session, _score_rows(plan, scores))
        row.rows = totals.outcomes.total()
        row.setup = plan.setup.model_dump(mode="json")
        row.outcomes = dict(totals.outcomes)
        row.usage = dict(totals.usage)
        row.synthetic = totals.synthetic
        row.base_model = plan.target.base_model  # of a tuned model known only now
        row.table_key = key
        row.ready_at = utc_now()


class _Totals:
    """Scores, outcomes and usage of the rows that have been added."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self._scorers = scorers
        self.outcomes: Counter[str] = Counter()
        self.usage = Counter(requests=0, cached=0, prompt_tokens=0, output_tokens=0, uncounted=0)
        self.synthetic = False

    def add(self, scored: Sequence[Scored], samples: Sequence[Sample]) -> None:
        for scorer in self._scorers:
            scorer.take(scored)
        self.outcomes.update(each.outcome.value for each in scored)
        called = [each for each in samples if not each.cached]
        self.usage["requests"] += len(called)
        self.usage["cached"] += len(samples) - len(called)
        self.usage["uncounted"] += sum(each.uncounted for each in called)
        self.usage["prompt_tokens"] += sum(each.prompt_tokens for each in called)
        self.usage["output_tokens"] += sum(each.output_tokens for each in called)
        self.synthetic |= any(each.synthetic for each in samples)

    def scores(self) -> list[Score]:
        return [scorer.score() for scorer in self._scorers]


def _references(plan: EvaluationPlan, *, store: ObjectStore) -> Iterator[Sequence[str]]:
    for example in stream_examples(plan.dataset.examples_key, plan.split, store=store):
        yield example.references


def _rows(
    run: JobRun, plan: EvaluationPlan, totals: _Totals, *, services: EvaluationServices
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table, and add them to the totals."""
    examples = stream_examples(plan.dataset.examples_key, plan.split, store=services.store)
    position = 0
    while chunk := list(islice(examples, _CHUNK)):
        run.check()
        with services.sessions.reading() as session:
            answers = repository.samples_of(
                session, plan.evaluation_id, [example.id for example in chunk]
            )
        elected = [majority(answers[example.id], plan.reader) for example in chunk]
        totals.add(
            [_scored(*pair) for pair in zip(chunk, elected, strict=True)],
            [sample for samples in answers.values() for sample in samples],
        )
        for example, each in zip(chunk, elected, strict=True):
            samples = answers[example.id]
            yield _table_row(plan, position, example, samples, each)
            position += 1


@dataclass(frozen=True, slots=True)
class Elected:
    """The sample that counts for a row, what it says, and how many samples say the same."""

    sample: Sample
    answer: ReadAnswer
    agreement: int


def majority(samples: Sequence[Sample], reader: AnswerReader) -> Elected:
    """Return the sample whose answer most samples of a row gave, and how many did.

    Only samples that were read with outcome `ok` count; what counts is their normal form, outer
    white space aside. Of equals the earliest wins; without any `ok` the first sample is the row's
    outcome, and none agrees. `samples` are in order, at least one.
    """
    answers = [reader.read(Outcome(each.outcome), each.text) for each in samples]
    votes = Counter(each.text.strip() for each in answers if each.outcome is Outcome.OK)
    if not votes:
        return Elected(samples[0], answers[0], 0)
    most = max(votes.values())
    pairs = zip(samples, answers, strict=True)
    return next(
        Elected(sample, answer, most)
        for sample, answer in pairs
        if answer.outcome is Outcome.OK and votes[answer.text.strip()] == most
    )


def _scored(example: Example, elected: Elected) -> Scored:
    return Scored(
        example_id=example.id,
        outcome=elected.answer.outcome,
        prediction=elected.answer.text,
        references=example.references,
        group=example.group,
    )


def _table_row(
    plan: EvaluationPlan,
    position: int,
    example: Example,
    samples: Sequence[Sample],
    elected: Elected,
) -> dict[str, Any]:
    sample = elected.sample
    return {
        "evaluation_id": plan.evaluation_id,
        "position": position,
        "example_id": example.id,
        "outcome": elected.answer.outcome.value,
        "prediction": sample.text,
        "answer": elected.answer.text,
        "references": list(example.references),
        "finish_reason": sample.finish_reason,
        "error": sample.error,
        "shot_ids": [shot.id for shot in plan.shots.of(example)],
        "samples": len(samples),
        "agreement": elected.agreement,
        "prompt_tokens": sum(each.prompt_tokens for each in samples),
        "output_tokens": sum(each.output_tokens for each in samples),
        "synthetic": sample.synthetic,
        "cached": sample.cached,
        "answered_at": sample.created_at,
    }


def _score_rows(plan: EvaluationPlan, scores: Sequence[Score]) -> list[ScoreRow]:
    stamp = {"evaluation_id": plan.evaluation_id, "leaky": plan.dataset.leaky}
    return [
        ScoreRow(**stamp, position=position, **asdict(each)) for position, each in enumerate(scores)
    ]


def evaluation_folder(project_id: str, evaluation_id: str) -> str:
    """Return the folder of the store where an evaluation has its table and its batch."""
    return project_folder(project_id, "evaluations", evaluation_id)


def _write_table(
    plan: EvaluationPlan, rows: Iterator[dict[str, Any]], *, project_id: str, store: ObjectStore
) -> str:
    metadata = {"evaluation_id": plan.evaluation_id}
    if plan.unlisted_model:
        metadata["unlisted_model"] = plan.target.base_model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet_in_subprocess(rows, path, schema=TABLE, metadata=metadata)
        return put_content(
            path,
            folder=evaluation_folder(project_id, plan.evaluation_id),
            suffix=".parquet",
            content_type="application/vnd.apache.parquet",
            store=store,
        ).key
