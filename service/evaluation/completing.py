"""The end of an evaluation: every row has an outcome, so score them and write the table."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.clock import utc_now
from service.database import Sessions
from service.datasets.examples import Example
from service.datasets.operations import (
    DatasetView,
)
from service.evaluation import repository
from service.evaluation.models import Prediction, ScoreRow
from service.evaluation.reading import require_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.scoring import Score, Scored, score
from service.inference.ports import Outcome
from service.jobs.ports import JobRun
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, write_parquet

TABLE = TableSchema(
    columns={
        "evaluation_id": "string",
        "position": "int64",
        "example_id": "string",
        "outcome": "string",
        "prediction": "string",
        "references": "strings",
        "finish_reason": "string",
        "error": "string",
        "prompt_tokens": "int64",
        "output_tokens": "int64",
        "synthetic": "bool",
        "answered_at": "timestamp",
    }
)


def complete(
    run: JobRun,
    spec: EvaluateSpec,
    dataset: DatasetView,
    examples: Sequence[Example],
    *,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    evaluation_id = run.outputs["evaluation"]
    run.report(len(examples), len(examples), unit="items", stage="scoring")
    with sessions.reading() as session:
        predictions = repository.predictions(session, evaluation_id)
    rows = [_scored(example, predictions[example.id]) for example in examples]
    names = spec.metrics or tuple(dataset.metrics)
    scores = [score(rows, name, seed=spec.seed) for name in names]
    key = _write_table(evaluation_id, examples, predictions, store=store)
    with run.fenced() as session:
        row = require_evaluation(session, evaluation_id, run.project_id)
        repository.put_scores(session, _score_rows(evaluation_id, scores))
        row.rows = len(rows)
        row.outcomes = dict(Counter(scored.outcome.value for scored in rows))
        row.usage = _usage(predictions.values())
        row.synthetic = any(prediction.synthetic for prediction in predictions.values())
        row.table_key = key
        row.ready_at = utc_now()


def _scored(example: Example, prediction: Prediction) -> Scored:
    return Scored(
        example_id=example.id,
        outcome=Outcome(prediction.outcome),
        prediction=prediction.text,
        references=example.references,
        group=example.group,
    )


def _score_rows(evaluation_id: str, scores: Sequence[Score]) -> list[ScoreRow]:
    return [
        ScoreRow(evaluation_id=evaluation_id, position=position, **asdict(each))
        for position, each in enumerate(scores)
    ]


def _usage(predictions: Any) -> dict[str, int]:
    rows = list(predictions)
    return {
        "requests": len(rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
    }


def _write_table(
    evaluation_id: str,
    examples: Sequence[Example],
    predictions: Mapping[str, Prediction],
    *,
    store: ObjectStore,
) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        rows = _table_rows(evaluation_id, examples, predictions)
        write_parquet(rows, path, schema=TABLE, metadata={"evaluation_id": evaluation_id})
        key = f"evaluations/{hashlib.sha256(path.read_bytes()).hexdigest()}.parquet"
        store.put_file(key, path, content_type="application/vnd.apache.parquet")
    return key


def _table_rows(
    evaluation_id: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> Iterator[dict[str, Any]]:
    for position, example in enumerate(examples):
        prediction = predictions[example.id]
        yield {
            "evaluation_id": evaluation_id,
            "position": position,
            "example_id": example.id,
            "outcome": prediction.outcome,
            "prediction": prediction.text,
            "references": list(example.references),
            "finish_reason": prediction.finish_reason,
            "error": prediction.error,
            "prompt_tokens": prediction.prompt_tokens,
            "output_tokens": prediction.output_tokens,
            "synthetic": prediction.synthetic,
            "answered_at": prediction.created_at,
        }
