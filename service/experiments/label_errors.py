"""Training rows whose label is perhaps wrong, ranked by what models that never saw them say. Pure.

Each smaller model of nested train sizes predicts rows that it was not tuned on. As in confident
learning (Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
2021) what a model confuses is counted on such rows alone, by class, against the labels as they are;
models are combined as raters with confusions of their own (Dawid and Skene, 1979): a row's evidence
is the log likelihood of all its votes under another label, less that under its own. A class that a
model confuses anyway is so no evidence against a label. Where the models return how likely their
answers are, the log odds of that are added: a vote that a model is sure of says more
(bench/statistics/label_errors.py has both beside confident learning).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

_WEIGHT = 5.0  # rows that a class's confusions are shrunk by, towards those of all classes
_FLOOR = 1e-3  # no vote is impossible, and none is certain


@dataclass(frozen=True, slots=True)
class Vote:
    """What one model answered to a training row that it had not seen.

    `position` is the row's place in the training split; `label` is the label that it has. Of
    answers that are no labels `agrees` says whether the answer counts as right. `probability` is
    what the model gave its answer, None where it returns none.
    """

    model: str
    position: int
    label: str
    answer: str
    agrees: bool
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class LabelError:
    """A row and the label that the models suggest: `votes` of `models` answered so.

    `evidence` is a log likelihood ratio: above 0 the votes are likelier under `suggested`.
    """

    position: int
    label: str
    suggested: str
    votes: int
    models: int
    evidence: float


def rank_label_errors(votes: Iterable[Vote], *, closed: bool) -> list[LabelError]:
    """Return the rows whose votes speak against their label, the strongest evidence first.

    `closed` says that answers are labels of a small set; else only equal answers support each
    other. The most frequent answer of a row's models, and half of them at least, must differ from
    its label.
    """
    every = sorted(votes, key=lambda each: each.position)
    raters = {name: _Rater(mine, closed=closed) for name, mine in _by_model(every).items()}
    found = [
        error
        for _, row in groupby(every, key=lambda each: each.position)
        if (error := _error(list(row), raters)) is not None
    ]
    return sorted(found, key=lambda each: (-each.evidence, each.position))


def _by_model(votes: Sequence[Vote]) -> dict[str, list[Vote]]:
    found: dict[str, list[Vote]] = {}
    for each in votes:
        found.setdefault(each.model, []).append(each)
    return found


def _error(row: Sequence[Vote], raters: Mapping[str, "_Rater"]) -> LabelError | None:
    answers = Counter(each.answer for each in row if not each.agrees)
    if not answers or 2 * answers.most_common(1)[0][1] < len(row):
        return None
    evidence = {
        answer: sum(raters[each.model].evidence(each, answer) + _sure(each, answer) for each in row)
        for answer, count in answers.items()
        if 2 * count >= len(row)
    }
    suggested = max(evidence, key=lambda answer: evidence[answer])
    if evidence[suggested] <= 0:
        return None
    return LabelError(
        position=row[0].position,
        label=row[0].label,
        suggested=suggested,
        votes=answers[suggested],
        models=len(row),
        evidence=evidence[suggested],
    )


def _sure(vote: Vote, suggested: str) -> float:
    """Return the log odds of a vote's answer, for the suggested label or against it."""
    if vote.probability is None or not (vote.agrees or vote.answer == suggested):
        return 0.0
    chance = min(1 - _FLOOR, max(_FLOOR, vote.probability))
    return math.log(chance / (1 - chance)) * (-1 if vote.agrees else 1)


class _Rater:
    """How one model answers rows of each label, counted on the rows it had not seen."""

    def __init__(self, votes: Sequence[Vote], *, closed: bool) -> None:
        self._closed = closed
        self._pairs = Counter((each.label, _given(each)) for each in votes)
        self._labels = Counter(each.label for each in votes)
        agreed = sum(each.agrees for each in votes)
        self._agreement = (agreed + 1) / (len(votes) + 2)
        self._others = max(1, len(self._labels) - 1)

    def evidence(self, vote: Vote, suggested: str) -> float:
        """Return how much likelier a vote is under the suggested label than under the row's own."""
        if self._closed:
            given = _given(vote)
            return math.log(self._chance(suggested, given) / self._chance(vote.label, given))
        if vote.answer == suggested:
            return self._log_odds()
        return -self._log_odds() if vote.agrees else 0.0

    def _chance(self, label: str, answer: str) -> float:
        """Return the chance of an answer to a row of a label."""
        usual = self._agreement if label == answer else (1 - self._agreement) / self._others
        counted = self._pairs[label, answer] + _WEIGHT * usual
        return max(_FLOOR, counted / (self._labels[label] + _WEIGHT))

    def _log_odds(self) -> float:
        return math.log(self._agreement / (1 - self._agreement))


def _given(vote: Vote) -> str:
    """Return the answer, as the label is spelled where it counts as right."""
    return vote.label if vote.agrees else vote.answer
