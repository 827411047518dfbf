"""What each row of a finished evaluation earned, read back from its table: for comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.presets.answer_form import AnswerForm
from service.datasets.queries import DatasetView, stream_examples
from service.evaluation.metrics.measures import Measure, Missing, bounds_of
from service.evaluation.metrics.registry import MetricSpec, find_score
from service.evaluation.queries import get_evaluation, table_key_of
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.answer_marks import marked_answer
from service.evaluation.scoring.answers import AnswerReader, bare_input
from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.inference.ports import Outcome
from service.storage.ports import ObjectStore
from service.storage.table_subprocess import read_range_in_subprocess
from service.storage.tables import Range

_CHUNK = 250


def read_shared_rows(
    dataset: DatasetView, split: Split, *, metric: str, store: ObjectStore
) -> SharedRows:
    """Return the groups of a split's rows, in stored order, with the metric's arithmetic.

    Raises Invalid for an unknown metric, NotFound `object_not_found`, Unavailable.
    """
    spec = find_score(metric)
    names = [example.group for example in stream_examples(dataset.examples_key, split, store=store)]
    return shared_rows(names, spec=spec)


def shared_rows(groups: Sequence[str], *, spec: MetricSpec) -> SharedRows:
    """Return the rows of these groups, in order, with the metric's arithmetic. Pure."""
    measure = spec.measure()
    return SharedRows(
        groups=np.unique(groups, return_inverse=True)[1],
        totals=measure.totals,
        scale=spec.scale,
        binary=spec.binary,
        higher_is_better=spec.higher_is_better,
        bounds=partial(_bounds, measure),
    )


def _bounds(measure: Measure, variant: VariantScores) -> tuple[float, float]:
    """Return the worst and the best score that a variant's rows without an answer allow."""
    answered, statistics = variant.answered, variant.statistics.astype(np.float64)
    if answered.all():
        score = float(measure.totals(statistics.sum(axis=0)))
        return score, score
    earned, most = statistics[answered].sum(axis=0), np.zeros(statistics.shape[1])
    worst, best = (
        rows[~answered].sum(axis=0, dtype=np.float64) for rows in (variant.worst, variant.best)
    )
    if answered.any():
        most = statistics[answered].max(axis=0)
    return bounds_of(measure, earned, Missing(int((~answered).sum()), worst, best, most))


def golds_of(row: Mapping[str, Any], *, spec: MetricSpec) -> Sequence[str]:
    """Return what a row of an evaluation's table is scored against: of some metrics the input,
    or the rejected answer, too. Pure.
    """
    rejected = row.get("rejected") or ""  # not in tables of earlier versions
    return spec.golds(row["references"], text=bare_input(row["input"]), rejected=rejected)


def raw_answer(row: Mapping[str, Any]) -> str:
    """Return a row's answer as the model gave it: after its mark where it was to reason first."""
    prediction: str = row["prediction"] or ""
    return marked_answer(prediction) or "" if VariantKind(row["variant"]).reasons else prediction


def read_test_scores(
    evaluations: Mapping[str, str],
    dataset: DatasetView,
    *,
    metric: str,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
) -> tuple[SharedRows, list[VariantScores]]:
    """Return the test rows of a dataset, and what each of these evaluations earned on them.

    `evaluations` are ids by name, in the order of the scores. Raises what `read_variant_scores`
    and `read_shared_rows` raise.
    """
    test = read_shared_rows(dataset, Split.TEST, metric=metric, store=store)
    scores = [
        read_variant_scores(
            name,
            evaluation_id,
            metric=metric,
            form=dataset.answer,
            project_id=project_id,
            sessions=sessions,
            store=store,
        )
        for name, evaluation_id in evaluations.items()
    ]
    return test, scores


def read_variant_scores(
    name: str,
    evaluation_id: str,
    *,
    metric: str,
    form: AnswerForm,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
) -> VariantScores:
    """Score every row of a finished evaluation again, a few hundred texts at a time.

    `form` is what an answer may be: predictions are read anew, as tables of earlier versions do
    not say what they say. Raises NotFound, Conflict `not_ready`, Invalid for an unknown metric,
    Unavailable.
    """
    row, _ = get_evaluation(evaluation_id, project_id=project_id, sessions=sessions)
    read = partial(read_rows, evaluation_id, project_id=project_id, sessions=sessions, store=store)
    reader = AnswerReader(form, is_marked=VariantKind(row.kind).reasons)
    spec = find_score(metric)
    measure = spec.measure(row["references"] for row in read())
    blocks: list[tuple[NDArray[Any], ...]] = []
    rows = read()
    while chunk := list(islice(rows, _CHUNK)):
        blocks.append(_scored(chunk, measure, spec=spec, reader=reader))
    statistics, answered, worst, best = (
        np.concatenate(column) for column in zip(*blocks, strict=True)
    )
    return VariantScores(name, statistics, answered, worst, best)


def read_rows(
    evaluation_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a finished evaluation in order; raises NotFound, Conflict `not_ready`."""
    key = table_key_of(evaluation_id, project_id=project_id, sessions=sessions)
    selected = Range("evaluation_id", evaluation_id, order="position")
    with store.open(key) as stream:
        yield from read_range_in_subprocess(stream, selected)


def _given(
    rows: Sequence[Mapping[str, Any]], measure: Measure, *, spec: MetricSpec
) -> tuple[NDArray[Any], ...]:
    """Return the fields of VariantScores of scores that stand in the rows."""
    given = [row["scores"].get(spec.name) for row in rows]
    references = [row["references"] for row in rows]
    predictions = [given_text(each, spec=spec) for each in given]
    answered = np.array([each is not None for each in given])
    return (
        measure.statistics(predictions, references),
        answered,
        measure.worst(references),
        measure.best(references),
    )


def given_text(value: float | None, *, spec: MetricSpec) -> str:
    """Return what stands in place of an answer whose score was given; 0 where there is none."""
    return repr((value or 0.0) / spec.scale)


def _scored(
    rows: Sequence[Mapping[str, Any]], measure: Measure, *, spec: MetricSpec, reader: AnswerReader
) -> tuple[NDArray[Any], ...]:
    """Return the fields of VariantScores for some rows."""
    if spec.is_given:
        return _given(rows, measure, spec=spec)
    answered = np.array([row["outcome"] == Outcome.OK for row in rows])
    references = [golds_of(row, spec=spec) for row in rows]
    read = [reader.read(Outcome(row["outcome"]), row["prediction"] or "") for row in rows]
    predictions = [each.raw if spec.reads_raw else each.text for each in read]
    return (
        measure.statistics(predictions, references),
        answered,
        measure.worst(references),
        measure.best(references),
    )
