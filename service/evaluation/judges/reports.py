"""What a judge by a rubric is worth: whether it repeats itself, what sways it, whom it agrees with.

Row by row it holds some numbers, never texts. Pure.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from service.evaluation.generation_schemas import JudgeMode, RubricJudge
from service.evaluation.judges.rubric import judged_value, places_of, score_name
from service.evaluation.scoring.verbal import LEAST_RETEST_KAPPA
from service.evaluation.statistics import agreement
from service.evaluation.statistics.agreement import retest
from service.evaluation.statistics.intervals import Array

LEAST_KAPPA = LEAST_RETEST_KAPPA
SCALE = 100.0  # of the scores
NO_LABELS: Mapping[str, int] = {}


class Estimate(BaseModel):
    """A value with its 95 % interval over groups; null where the rows cannot show it."""

    value: float | None = Field(description="null: too few rows, or all alike")
    low: float | None = Field(default=None, description="lower end of its 95 % interval")
    high: float | None = Field(default=None, description="upper end of its 95 % interval")


class JudgeCalibration(BaseModel):
    """How a judge compares with people on the rows that they have labelled."""

    rows: int = Field(description="labelled rows that the judge has a verdict on")
    raters: int = Field(description="people who labelled")
    kappa: Estimate = Field(
        description="Cohen's kappa of judge and people, quadratic weights: 1 agrees, 0 is chance"
    )
    same: float | None = Field(description="share of rows of which both say the same, 0 to 1")
    rater_kappa: float | None = Field(
        description="the same of people with each other, on rows with several: what to hold the "
        "judge's against"
    )
    leniency: Estimate = Field(
        description="mean score by the judge, less that by people; on the scale of the score"
    )
    length_bias: Estimate = Field(
        description="rank correlation of judge less people with the length of the answer: above 0 "
        "length alone pleases the judge"
    )
    corrected: Estimate = Field(
        description="the score that people would give all rows, if those they labelled were drawn "
        "at random (prediction-powered inference)"
    )
    caution: str = Field(default="", description="why not to rely on the judge")


class JudgeReport(BaseModel):
    """A judge of an evaluation's answers, and what its verdicts are worth."""

    score: str = Field(description="the name of its score beside the metrics")
    mode: JudgeMode = Field(description="grades, or comparisons")
    model: str = Field(description="the base model that judges")
    family: str = Field(description="of that model")
    same_family: bool = Field(description="it judges answers of its own family, as was allowed")
    rubric: str = Field(description="as it was sent")
    levels: int = Field(description="verdicts there are: grades, or lose, tie and win")
    against: str | None = Field(description="the evaluation compared with; null: the reference")
    repeats: int = Field(description="times that each answer was judged")
    rows: int = Field(description="answers with a verdict")
    unread: int = Field(description="replies that were none of the options")
    retest_kappa: float | None = Field(
        description="of one reply with the next, which has the order turned round; null: all alike"
    )
    retest_same: float | None = Field(description="share of such replies that are the same")
    position_bias: Estimate = Field(
        description="of `pairwise`: how much oftener what stands first wins than what stands "
        "second, -1 to 1; of `pointwise`: mean score with the worst grade named first, less that "
        "with the best named first, 0 to 1"
    )
    length_correlation: Estimate = Field(
        description="rank correlation of score and length of the answer (of `pairwise`: less that "
        "of the other): bias, or longer answers are better"
    )
    calibration: JudgeCalibration | None = Field(
        default=None, description="beside people; null until rows have verdicts of people"
    )
    caution: str = Field(default="", description="why not to rely on the judge")


def self_preference(reports: Sequence[tuple[str, JudgeReport]]) -> Estimate | None:
    """Return by how much a judge is kinder to its own answers than to those of other models.

    That is its mean leniency towards its own, less that towards others; each report comes with the
    base model that answered. None where people have not labelled both. Source: Panickssery, Bowman
    and Feng (2024), LLM evaluators recognize and favor their own generations.
    """
    own: list[agreement.Estimate] = []
    others: list[agreement.Estimate] = []
    for answered_by, report in reports:
        if report.calibration is not None:
            side = own if answered_by == report.model else others
            side.append(agreement.Estimate(**report.calibration.leniency.model_dump()))
    if not own or not others:
        return None
    return _shown(agreement.difference(agreement.pooled(own), agreement.pooled(others)))


class JudgeRows:
    """Takes judged rows one by one; `families` are the judge's and that of who answers."""

    def __init__(self, judge: RubricJudge, *, families: tuple[str, str]) -> None:
        self._judge, self._families = judge, families
        self._values, self._lengths, self._groups = array("d"), array("d"), array("Q")
        self._turns = array("d")
        self._verdicts: list[tuple[int | None, ...]] = []
        self._unread = 0
        self._human = HumanRows(places_of(judge))

    def add(
        self,
        verdicts: Sequence[int | None],
        *,
        length: int,
        group: int,
        labels: Mapping[str, int] = NO_LABELS,
    ) -> float | None:
        """Add an answered row, and return its score, 0 to 1.

        `length` is in characters, less that of the other answer for a pair; `labels` are what
        people said of the row, by their names.
        """
        self._unread += sum(each is None for each in verdicts)
        self._verdicts.append(tuple(verdicts))
        value = judged_value(self._judge, verdicts)
        if value is not None:
            self._values.append(value)
            self._lengths.append(length)
            self._groups.append(group)
            self._turns.append(_order_effect(verdicts, places_of(self._judge)))
            self._human.add(value, labels, length=length, group=group)
        return value

    def report(self) -> JudgeReport:
        judge, levels = self._judge, places_of(self._judge)
        values, groups = np.frombuffer(self._values), np.frombuffer(self._groups, dtype=np.uint64)
        lengths, turns = np.frombuffer(self._lengths), np.frombuffer(self._turns)
        found = retest(self._verdicts, [place / (levels - 1) for place in range(levels)])
        known = ~np.isnan(turns)
        return JudgeReport(
            score=score_name(judge),
            mode=judge.mode,
            model=judge.model,
            family=self._families[0],
            same_family=len(set(self._families)) == 1,
            rubric=judge.rubric,
            levels=levels,
            against=judge.against,
            repeats=judge.repeats,
            rows=len(values),
            unread=self._unread,
            retest_kappa=found.kappa,
            retest_same=found.same / found.pairs if found.pairs else None,
            position_bias=_shown(agreement.mean_estimate(turns[known], groups[known])),
            length_correlation=_shown(agreement.rank_correlation(values, lengths, groups)),
            calibration=self._human.calibration(values, groups),
            caution=_unreliable(found.kappa if found.pairs else math.nan),
        )


class HumanRows:
    """Takes what judge and people say of rows, of which some are labelled."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._judged, self._said = array("d"), array("d")
        self._lengths, self._groups = array("d"), array("Q")
        self._pairs: list[tuple[int, int]] = []
        self._raters: set[str] = set()

    def add(self, value: float, labels: Mapping[str, int], *, length: int, group: int) -> None:
        """Add a row with the judge's score, 0 to 1, and the places that people gave it, by name."""
        if not labels:
            return
        self._judged.append(value)
        said = [labels[rater] for rater in sorted(labels)]
        self._said.append(sum(said) / len(said) / (self._levels - 1))
        self._lengths.append(length)
        self._groups.append(group)
        self._raters.update(labels)
        self._pairs += pairwise(said)

    def calibration(self, values: Array, groups: NDArray[Any]) -> JudgeCalibration | None:
        """Return how judge and people compare; `values` are the judge's of all rows."""
        if not self._judged:
            return None
        judged, said = np.frombuffer(self._judged), np.frombuffer(self._said)
        own = np.frombuffer(self._groups, dtype=np.uint64)
        one, other = (self._places(each) for each in (judged, said))
        kappa = agreement.kappa_estimate(one, other, own, levels=self._levels)
        errors = judged - said
        lengths = np.frombuffer(self._lengths)
        return JudgeCalibration(
            rows=len(judged),
            raters=len(self._raters),
            kappa=_shown(kappa),
            same=float((one == other).mean()),
            rater_kappa=agreement.weighted_kappa(
                [pair[0] for pair in self._pairs],
                [pair[1] for pair in self._pairs],
                levels=self._levels,
            ),
            leniency=_shown(agreement.mean_estimate(SCALE * errors, own)),
            length_bias=_shown(agreement.rank_correlation(errors, lengths, own)),
            corrected=_shown(
                agreement.corrected_mean(
                    SCALE * values, groups, errors=SCALE * errors, error_groups=own
                )
            ),
            caution=_disagrees(kappa),
        )

    def _places(self, values: Array) -> NDArray[np.int64]:
        """Return the nearest place of each value; a tie goes up, of people and judge alike."""
        places: NDArray[np.int64] = np.floor(values * (self._levels - 1) + 0.5).astype(np.int64)
        return places


def _order_effect(verdicts: Sequence[int | None], levels: int) -> float:
    """Return the mean verdict of even turns less that of odd ones, 0 to 1; NaN without both."""
    plain = [each for each in verdicts[::2] if each is not None]
    turned = [each for each in verdicts[1::2] if each is not None]
    if not plain or not turned:
        return math.nan
    return (sum(plain) / len(plain) - sum(turned) / len(turned)) / (levels - 1)


def _shown(found: agreement.Estimate) -> Estimate:
    return Estimate(**asdict(found))


def _unreliable(kappa: float | None) -> str:
    if kappa is None or math.isnan(kappa):
        return "the judge says the same of every answer" if kappa is None else ""
    if kappa < LEAST_RETEST_KAPPA:
        return (
            f"the judge does not repeat itself: retest kappa {kappa:.2f} is below "
            f"{LEAST_RETEST_KAPPA}"
        )
    return ""


def _disagrees(kappa: agreement.Estimate) -> str:
    if kappa.value is None:
        return "judge and people say the same of every row, so there is nothing to compare"
    if kappa.value < LEAST_KAPPA:
        return (
            f"the judge does not judge as people do: kappa {kappa.value:.2f} is below {LEAST_KAPPA}"
        )
    return ""
