"""The stored rows of an evaluation, and what they add up to: scores, findings, confidence, outcomes
and usage.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.database import Session
from service.datasets.examples import Example
from service.datasets.presets.answer_form import AnswerKind
from service.evaluation.answer_repository import Sample, samples_of
from service.evaluation.judges.scores import JudgeRun, StoredVerdicts
from service.evaluation.metrics.registry import JUDGED
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.repository import labels_of
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
from service.evaluation.scoring.metric_runs import (
    MetricRun,
    chosen_metrics,
    computed_metrics,
    correct_by,
)
from service.evaluation.scoring.scores import Score, Scored, group_number
from service.evaluation.scoring.votes import Elected
from service.evaluation.stages.judges import RUBRIC, VERBAL
from service.evaluation.stages.vertex_metrics import scores_of
from service.evaluation.vertex_metrics import VertexMetric, given_by_vertex, vertex_run
from service.inference.ports import Outcome


@dataclass(frozen=True, slots=True)
class StoredRows:
    """What is stored of some rows, by example: answers, replies of the judges, and the scores of
    the evaluation service by metric.
    """

    samples: Mapping[str, Sequence[Sample]]
    replies: Mapping[str, Sequence[Sample]]
    vertex_scores: Mapping[VertexMetric, Mapping[str, Sequence[Sample]]]
    verdicts: StoredVerdicts

    @property
    def judge_calls(self) -> list[Sample]:
        """All that was asked of models that judge."""
        found = (*self.replies.values(), *self.verdicts.replies.values())
        return [reply for said in found for reply in said]


def stored_rows(session: Session, plan: EvaluationPlan, ids: Sequence[str]) -> StoredRows:
    """Read what is stored of the rows of these examples."""
    compared, read = plan.compared, partial(samples_of, session, plan.evaluation_id, ids)
    return StoredRows(
        read(),
        read(answers=VERBAL) if plan.spec.verbal else {},
        {each: read(answers=scores_of(each)) for each in plan.spec.vertex_metrics},
        StoredVerdicts(
            read(answers=RUBRIC),
            labels_of(session, plan.evaluation_id, ids),
            compared.answers(session, ids) if compared else {},
        )
        if plan.spec.judge
        else StoredVerdicts(),
    )


class Totals:
    """Scores, findings, outcomes and usage of the rows that have been added.

    `references` reads those of all rows, as often as it is called.
    """

    def __init__(
        self, plan: EvaluationPlan, references: Callable[[], Iterator[Sequence[str]]]
    ) -> None:
        self._reader, self._rows = plan.reader, 0
        names = computed_metrics(plan.spec.metrics) or plan.dataset.metrics
        self.metrics = chosen_metrics(names, references())
        self._runs = [
            MetricRun(
                name,
                references=references(),
                normal_form=plan.reader.normalisation.signature,
            )
            for name in self.metrics
        ]
        asked = dict.fromkeys(plan.spec.vertex_metrics)
        self._vertex_runs = {
            metric: vertex_run(metric, normal_form=plan.reader.normalisation.signature)
            for metric in asked
        }
        self.judge = _judge(plan)
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
        judged = [self.judge.name] if self.judge else []
        return (*self.metrics, *(each.name for each in self._vertex_runs.values()), *judged)

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
            given = run.take(scored, given_by_vertex(stored.vertex_scores[metric]))
            for row, value in zip(columns, given, strict=True):
                row["scores"][run.name] = value
        if self.judge:
            given = self.judge.take(examples, scored, stored.verdicts)
            for row, value in zip(columns, given, strict=True):
                row["scores"][self.judge.name] = value
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
        """Return all scores, the primary one first: the judge's where the job says so."""
        found = [
            *(run.score() for run in self._runs),
            *(run.score() for run in self._vertex_runs.values()),
            *([self.judge.score()] if self.judge else []),
        ]
        first = next(iter(self._spec.metrics), "")
        return sorted(found, key=lambda each: first in JUDGED and each.metric != first)


def _judge(plan: EvaluationPlan) -> JudgeRun | None:
    if plan.spec.judge is None:
        return None
    return JudgeRun(
        plan.spec.judge,
        normal_form=plan.reader.normalisation.signature,
        families=plan.families,
    )


def _sources(spec: EvaluateSpec) -> Iterator[ConfidenceSource]:
    if spec.samples > 1:
        yield ConfidenceSource.VOTE
    if spec.verbal:
        yield ConfidenceSource.VERBAL
    if spec.logprobs:
        yield ConfidenceSource.LOGPROB


def _scored(example: Example, elected: Elected) -> Scored:
    return Scored(
        example_id=example.id,
        outcome=elected.answer.outcome,
        prediction=elected.answer.text,
        references=example.references,
        group=example.group,
        raw=elected.answer.raw,
        text=bare_input(example.text),
        rejected=example.rejected,
    )
