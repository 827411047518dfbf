"""What each row of a finished evaluation earned, read back from its table: for comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.queries import DatasetView, stream_examples
from service.evaluation.metrics.measures import Measure
from service.evaluation.metrics.registry import METRICS
from service.evaluation.queries import table_key_of
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
    spec = METRICS.find(metric)
    names = [example.group for example in stream_examples(dataset.examples_key, split, store=store)]
    return SharedRows(
        groups=np.unique(names, return_inverse=True)[1],
        totals=spec.measure().totals,
        scale=spec.scale,
        binary=spec.binary,
        higher_is_better=spec.higher_is_better,
    )


def read_variant_scores(
    name: str,
    evaluation_id: str,
    *,
    metric: str,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
) -> VariantScores:
    """Score every row of a finished evaluation again, a few hundred texts at a time.

    Raises NotFound, Conflict `not_ready`, Invalid for an unknown metric, Unavailable.
    """
    key = table_key_of(evaluation_id, project_id=project_id, sessions=sessions)
    selected = Range("evaluation_id", evaluation_id, order="position")
    references = (row["references"] for row in _read_rows(key, selected, store=store))
    measure = METRICS.find(metric).measure(references)
    blocks: list[tuple[NDArray[Any], ...]] = []
    rows = _read_rows(key, selected, store=store)
    while chunk := list(islice(rows, _CHUNK)):
        blocks.append(_scored(chunk, measure))
    statistics, answered, worst, best = (
        np.concatenate(column) for column in zip(*blocks, strict=True)
    )
    return VariantScores(name, statistics, answered, worst, best)


def _read_rows(key: str, selected: Range, *, store: ObjectStore) -> Iterator[dict[str, Any]]:
    with store.open(key) as stream:
        yield from read_range_in_subprocess(stream, selected)


def _scored(rows: Sequence[Mapping[str, Any]], measure: Measure) -> tuple[NDArray[Any], ...]:
    """Return the fields of VariantScores for some rows."""
    answered = np.array([row["outcome"] == Outcome.OK for row in rows])
    references = [row["references"] for row in rows]
    # A table of an earlier version has the prediction alone.
    predictions = [row.get("answer", row["prediction"]) or "" for row in rows]
    return (
        measure.statistics(predictions, references),
        answered,
        measure.worst(references),
        measure.best(references),
    )
