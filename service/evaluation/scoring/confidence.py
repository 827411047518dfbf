"""What the confidence of an evaluation's answers is worth: of votes, words and log-probabilities.

Row by row it holds some numbers, never texts. Pure.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from service.evaluation.answer_repository import Sample
from service.evaluation.scoring.verbal import (
    LEAST_AUROC,
    LEAST_RETEST_KAPPA,
    SCALE,
    read_verbal,
    verbal_confidence,
)
from service.evaluation.scoring.votes import Elected
from service.evaluation.statistics.agreement import retest, weighted_kappa
from service.evaluation.statistics.automation import automate
from service.evaluation.statistics.binomial import Flags
from service.evaluation.statistics.calibration import BINNING, calibrate
from service.evaluation.statistics.intervals import Array

_LEAK = "pii_leak_rate"
_EVEN = 0.5


class ConfidenceSource(StrEnum):
    """Where confidence comes from: samples that agree, a model's words, log-probabilities."""

    VOTE = "vote"
    VERBAL = "verbal"
    LOGPROB = "logprob"


class ReliabilityBin(BaseModel):
    """Rows whose confidence is above `low` and at most `high`; all are from 0 to 1."""

    low: float = Field(description="its confidence is above")
    high: float = Field(description="and at most")
    rows: int = Field(description="rows in it")
    confidence: float = Field(description="mean")
    right: float = Field(description="share of right answers")
    right_low: float = Field(description="its 95 % interval")
    right_high: float = Field(description="its 95 % interval")


class Automation(BaseModel):
    """What can go out unseen at a promise, estimated on rows that did not choose the threshold."""

    goal: Literal["right", "leak_free"] = Field(
        description="what an answer must be: right, or without any personal data left"
    )
    target: float = Field(description="share that is promised, with a probability of 95 %")
    threshold: float | None = Field(
        description="answers of at least this confidence go out; null: none can promise it"
    )
    rows: int = Field(description="rows with this confidence and with the goal known")
    passed: int = Field(description="rows that passed a threshold that was chosen without them")
    share: float = Field(description="of the rows that passed, 0 to 1")
    share_low: float = Field(description="its 95 % interval")
    share_high: float = Field(description="its 95 % interval")
    precision: float | None = Field(description="share of those passed that reached the goal")
    precision_low: float | None = Field(description="its 95 % interval")
    precision_high: float | None = Field(description="its 95 % interval")
    groups: int = Field(description="independent units that the rows come from")
    method: str = Field(description="how thresholds were chosen and checked")


class JudgeReliability(BaseModel):
    """Whether a judge repeats itself with its scale turned round."""

    model: str = Field(description="the base model that judges")
    repeats: int = Field(description="times that each answer was judged")
    pairs: int = Field(description="replies that were compared with the next")
    retest_kappa: float | None = Field(description="quadratic weights; null: all are alike")
    order_effect: float | None = Field(
        description="mean confidence with the scale turned round, less that without"
    )
    label_kappa: float | None = Field(
        description="agreement of `likely` or more with being right by the references (Cohen); "
        "null: all are alike"
    )


class ConfidenceReport(BaseModel):
    """How confidence of one source goes with being right."""

    source: ConfidenceSource = Field(description="where the confidence comes from")
    rows: int = Field(description="answered rows that have this confidence and can be right")
    missing: int = Field(description="answered rows without it")
    used: bool = Field(description="false: it is not to be relied on, see `caution`")
    caution: str = Field(description="why it is not to be relied on; empty where it is")
    right: float | None = Field(default=None, description="share of right answers")
    confidence: float | None = Field(default=None, description="mean")
    ece: float | None = Field(default=None, description="expected calibration error, 0 to 1")
    binning: str = Field(default=BINNING, description="the bins of `ece` and `reliability`")
    auroc: float | None = Field(
        default=None, description="probability that a right answer has more of it than a wrong one"
    )
    reliability: list[ReliabilityBin] = Field(
        default=[], description="share of right answers by confidence: the reliability curve"
    )
    automation: list[Automation] = Field(default=[], description="what can go out unseen, by goal")
    judge: JudgeReliability | None = Field(default=None, description="of `verbal` alone")


def row_confidence(
    elected: Elected, samples: Sequence[Sample], replies: Sequence[Sample]
) -> dict[ConfidenceSource, float | None]:
    """Return the confidence of a row's answer by source, 0 to 1; None where there is none."""
    logprob = elected.sample.logprob
    return {
        ConfidenceSource.VOTE: elected.agreement / len(samples) if len(samples) > 1 else None,
        ConfidenceSource.VERBAL: verbal_confidence([read_verbal(each.text) for each in replies]),
        ConfidenceSource.LOGPROB: None if logprob is None else math.exp(logprob),
    }


class ConfidenceRows:
    """Takes rows one by one, and reports on the sources that were asked for."""

    def __init__(self, sources: Iterable[ConfidenceSource], *, judge: str = "") -> None:
        self._sources, self._judge = tuple(sources), judge
        self._values = {source: array("d") for source in self._sources}
        self._right, self._leak_free, self._groups = array("b"), array("b"), array("Q")
        self._replies: list[tuple[int | None, ...]] = []

    def add(
        self,
        confidence: Mapping[ConfidenceSource, float | None],
        *,
        correct: bool | None,
        scores: Mapping[str, float | None],
        group: int,
        replies: Sequence[Sample] = (),
    ) -> None:
        """Add an answered row; one that cannot be right or wrong says nothing of confidence."""
        if not self._sources or correct is None:
            return
        for source, values in self._values.items():
            value = confidence[source]
            values.append(math.nan if value is None else value)
        leak = scores.get(_LEAK)
        self._right.append(correct)
        self._leak_free.append(-1 if leak is None else leak <= 0)
        self._groups.append(group)
        if replies:
            self._replies.append(tuple(read_verbal(each.text) for each in replies))

    def reports(
        self, *, target_precision: float, residual_leak: float, seed: int
    ) -> list[ConfidenceReport]:
        """Return a report of each source."""
        targets = {"right": target_precision, "leak_free": 1 - residual_leak}
        return [self._report(source, targets, seed=seed) for source in self._sources]

    def _report(
        self, source: ConfidenceSource, targets: Mapping[str, float], *, seed: int
    ) -> ConfidenceReport:
        values = np.frombuffer(self._values[source])
        known = ~np.isnan(values)
        right = np.frombuffer(self._right, dtype=np.int8) == 1
        judge = None
        if source is ConfidenceSource.VERBAL:
            judge = self._reliability(values[known], right[known])
        found: dict[str, Any] = {
            "source": source,
            "rows": int(known.sum()),
            "missing": int((~known).sum()),
            "judge": judge,
        }
        if not known.any():
            return ConfidenceReport(**found, used=False, caution=_ABSENT[source])
        calibration = asdict(calibrate(values[known], right[known]))
        found |= {name: calibration[name] for name in ("right", "confidence", "ece", "auroc")}
        caution = judge_caution(judge, auroc=found["auroc"]) if judge else ""
        return ConfidenceReport(
            **found,
            reliability=calibration["bins"],
            used=not caution,
            caution=caution,
            automation=[] if caution else list(self._automation(values, targets, seed=seed)),
        )

    def _automation(
        self, values: Array, targets: Mapping[str, float], *, seed: int
    ) -> Iterable[Automation]:
        groups = np.unique(np.frombuffer(self._groups, dtype=np.uint64), return_inverse=True)[1]
        goals: Mapping[Literal["right", "leak_free"], NDArray[np.int8]] = {
            "right": np.frombuffer(self._right, dtype=np.int8),
            "leak_free": np.frombuffer(self._leak_free, dtype=np.int8),
        }
        for goal, reached in goals.items():
            known = ~np.isnan(values) & (reached >= 0)
            if known.any():
                found = automate(
                    values[known],
                    reached[known] == 1,
                    groups[known],
                    target=targets[goal],
                    seed=seed,
                )
                yield Automation(goal=goal, **asdict(found))

    def _reliability(self, values: Array, right: Flags) -> JudgeReliability:
        found = retest(self._replies, tuple(SCALE.values()))
        is_likely = (values > _EVEN).astype(int).tolist()
        return JudgeReliability(
            model=self._judge,
            repeats=max(map(len, self._replies), default=0),
            pairs=found.pairs,
            retest_kappa=found.kappa,
            order_effect=found.order_effect,
            label_kappa=weighted_kappa(is_likely, right.astype(int).tolist(), levels=2),
        )


_ABSENT = {
    ConfidenceSource.VOTE: "no row has several answers",
    ConfidenceSource.VERBAL: "no reply of the judge could be read",
    ConfidenceSource.LOGPROB: "the model returned no log-probabilities",
}


def judge_caution(judge: JudgeReliability, *, auroc: float | None) -> str:
    """Return why a judge's words are not to be relied on; "" where they are."""
    kappa = judge.retest_kappa
    if kappa is None:
        return "the judge says the same of every answer"
    if kappa < LEAST_RETEST_KAPPA:
        return (
            f"the judge does not repeat itself: retest kappa {kappa:.2f} is below "
            f"{LEAST_RETEST_KAPPA}"
        )
    if auroc is not None and auroc < LEAST_AUROC:
        return f"the judge mixes right and wrong: AUROC {auroc:.2f} is below {LEAST_AUROC}"
    return ""
