"""The metrics of one evaluation over its rows, each by itself: one that fails spoils no other.

Their scores are computed from texts, or given to the rows from outside, such as by a judge.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.errors import Invalid, TunecurveError
from service.evaluation.metrics.registry import JUDGED, METRICS, MetricSpec
from service.evaluation.scoring.scores import (
    CAUTION_LENGTH,
    ERROR_LENGTH,
    Score,
    Scored,
    Scorer,
    signature_of,
)
from service.inference.ports import Outcome

# By what names of metrics begin with: the one that scores what they cannot.
_BESIDE = {"sacrebleu": "chrf", "rouge": "chrf", "squad": "multilingual_f1"}
_MANY_UNFIT = 0.05  # of the rows


class MetricRun:
    """One metric over rows that come in pieces. Where it fails, its score is the reason why."""

    def __init__(self, name: str, *, references: Iterable[Sequence[str]], normal_form: str) -> None:
        self._name, self._normal_form = name, normal_form
        self._rows, self._error = 0, ""
        self._scorer: Scorer | None = None
        try:
            self._scorer = Scorer(name, references=references, normal_form=normal_form)
        except Exception as error:  # noqa: BLE001  a metric may be a user's
            self._fail(error)

    def take(self, rows: Sequence[Scored]) -> list[float | None]:
        """Add rows, and return what each of them earned; None for all once the metric failed."""
        self._rows += len(rows)
        if self._scorer is not None:
            try:
                return self._scorer.take(rows)
            except Exception as error:  # noqa: BLE001  a metric may be a user's
                self._fail(error)
        return [None] * len(rows)

    def score(self) -> Score:
        if self._scorer is not None:
            try:
                return self._scorer.score()
            except Exception as error:  # noqa: BLE001  a metric may be a user's
                self._fail(error)
        return self._failed()

    def _fail(self, error: Exception) -> None:
        """Note why the metric failed; raises errors that are not the metric's own.

        The words of a foreign exception may quote a text, so its type must do.
        """
        if isinstance(error, TunecurveError) and not isinstance(error, Invalid):
            raise error
        words = error.message if isinstance(error, Invalid) else type(error).__name__
        self._error, self._scorer = words[:ERROR_LENGTH], None

    def _failed(self) -> Score:
        return Score(
            metric=self._name,
            value=None,
            low=None,
            high=None,
            n=0,
            rows=self._rows,
            coverage=0.0,
            worst=None,
            best=None,
            method="no score: the metric failed",
            signature=signature_of(METRICS.find(self._name), normal_form=self._normal_form),
            error=self._error,
        )


def computed_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that are computed from texts, without what a judge gives."""
    return tuple(name for name in names if name not in JUDGED)


def chosen_metrics(names: Sequence[str], references: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the metrics to compute: beside one that is unfit for many rows, one that is not."""
    beside = {
        name: other
        for name in names
        for family, other in _BESIDE.items()
        if name.startswith(family) and other not in names
    }
    specs = {name: METRICS.find(name) for name in beside}
    rows, unfit = 0, dict.fromkeys(beside, 0)
    for golds in references if beside else ():
        rows += 1
        for name, spec in specs.items():
            unfit[name] += spec.is_unfit(golds)
    added = [other for name, other in beside.items() if unfit[name] > _MANY_UNFIT * rows]
    return (*names, *dict.fromkeys(added))


def correct_by(scores: Mapping[str, float | None]) -> bool | None:
    """Say whether an answer is right: by the first metric of right and wrong, else by the first.

    None where there is nothing to go by.
    """
    known = {name: value for name, value in scores.items() if value is not None}
    if not known:
        return None
    name = next((each for each in known if METRICS[each].binary), next(iter(known)))
    spec, value = METRICS[name], known[name]
    return value >= spec.scale if spec.higher_is_better else value <= 0


@dataclass(frozen=True, slots=True)
class Given:
    """What a row was given, 0 to 1; None with the `errors` of those who gave nothing."""

    value: float | None
    errors: tuple[str, ...] = ()


NOTHING = Given(None)


class GivenRun:
    """Scores that were given to rows from outside, with our intervals and bounds.

    A row that was given none counts as missing, as one without an answer does; `giver` is called
    so in cautions.
    """

    def __init__(self, spec: MetricSpec, *, normal_form: str, giver: str) -> None:
        self.name, self._giver = spec.name, giver
        self._scorer = Scorer(spec, references=(), normal_form=normal_form)
        self._failures: Counter[str] = Counter()

    def take(self, rows: Sequence[Scored], given: Mapping[str, Given]) -> list[float | None]:
        """Add rows, and return the score of each, 0 to 100; `given` is by example."""
        return self._scorer.take(
            [self._of(row, given.get(row.example_id, NOTHING)) for row in rows]
        )

    def _of(self, row: Scored, given: Given) -> Scored:
        if row.outcome is not Outcome.OK:
            return row
        if given.value is None:
            self._failures.update(given.errors)
            return replace(row, outcome=Outcome.FAILED)
        return replace(row, prediction=repr(given.value), raw=repr(given.value))

    def score(self) -> Score:
        """Return the score; its `error` or `caution` says why rows have none."""
        score = self._scorer.score()
        if not self._failures:
            return score
        [(reason, _)] = self._failures.most_common(1)
        why = f"{self._failures.total()} of {score.rows} rows have no score of {self._giver}"
        said = f"{why}: {reason}"[:CAUTION_LENGTH]
        return replace(score, error=said) if score.value is None else replace(score, caution=said)
