"""The scores of a judge over the rows of an evaluation, and what they are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from service.datasets.examples import Example
from service.evaluation.answer_repository import Sample
from service.evaluation.generation_schemas import RubricJudge
from service.evaluation.judges.reports import NO_LABELS, JudgeReport, JudgeRows
from service.evaluation.judges.rubric import (
    judge_signature,
    length_of,
    read_verdict,
    score_name,
)
from service.evaluation.metrics.registry import JUDGED, MetricSpec
from service.evaluation.scoring.metric_runs import Given, GivenRun
from service.evaluation.scoring.scores import CAUTION_LENGTH, Score, Scored, group_number
from service.inference.ports import Outcome

_UNREAD = "a reply is none of the options"


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """What is stored of some rows, by example: replies of the judge, what people said (by their
    names), and the answers compared with, where these are not the references.
    """

    replies: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


class JudgeRun:
    """The score of one judge over rows that come in pieces, and its report."""

    def __init__(self, judge: RubricJudge, *, normal_form: str, families: tuple[str, str]) -> None:
        self._judge = judge
        self._run = GivenRun(spec_of(judge), normal_form=normal_form, giver="the judge")
        self._rows = JudgeRows(judge, families=families)

    @property
    def name(self) -> str:
        return self._run.name

    def take(
        self, examples: Sequence[Example], rows: Sequence[Scored], stored: StoredVerdicts
    ) -> list[float | None]:
        """Add rows, and return the score of each, 0 to 100."""
        given = {
            example.id: self._given(example, row, stored)
            for example, row in zip(examples, rows, strict=True)
            if row.outcome is Outcome.OK
        }
        return self._run.take(rows, given)

    def _given(self, example: Example, row: Scored, stored: StoredVerdicts) -> Given:
        replies = stored.replies.get(example.id, ())
        if not replies:
            return Given(None, ("there is no answer to compare with",))
        lost = [each.error or _UNREAD for each in replies if each.outcome != Outcome.OK]
        if lost:  # with it, the mean might be another
            return Given(None, (lost[0],))
        verdicts = [read_verdict(self._judge, each.text, turn=each.sample) for each in replies]
        value = self._rows.add(
            verdicts,
            length=length_of(
                self._judge.mode,
                row.prediction,
                other=len(stored.others.get(example.id, example.references[0])),
            ),
            group=group_number(row.group),
            labels=stored.labels.get(example.id, NO_LABELS),
        )
        return Given(value, () if value is not None else (_UNREAD,))

    def score(self) -> Score:
        """Return the score, which says where the judge is of the family that it judges."""
        score, report = self._run.score(), self._rows.report()
        cautions = [score.caution, report.caution, _kinship(report)]
        return replace(score, caution="; ".join(filter(None, cautions))[:CAUTION_LENGTH])

    def report(self) -> dict[str, Any]:
        return self._rows.report().model_dump(mode="json")


def spec_of(judge: RubricJudge) -> MetricSpec:
    """Return what the scores of a judge are, with the signature of this judge."""
    return replace(JUDGED[score_name(judge)], signed=partial(judge_signature, judge))


def _kinship(report: JudgeReport) -> str:
    if not report.same_family:
        return ""
    return f"the judge is of the family that it judges ({report.family}), as was allowed"
