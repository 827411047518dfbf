"""Evaluations of models with chosen answers to a dataset's test rows, as workers leave them."""

import hashlib
from collections.abc import Callable

from service.clock import utc_now
from service.datasets.examples import Split
from service.datasets.queries import ready_dataset, stream_examples
from service.evaluation.models import Evaluation, ScoreRow
from service.evaluation.scoring.row_table import table_schema
from service.tuning.models import TunedModel
from tests.api.outputs import answer_row, stored_table
from tests.api.server import Api, Caller

ENDPOINT = "projects/123/locations/us/endpoints/789"


def ready_model(api: Api, caller: Caller, dataset: str, *, train_size: int = 20) -> str:
    """Return the id of a model that is ready, at an endpoint that is never called."""
    job = caller.submit("tune", {"dataset": dataset, "train_size": train_size, "fresh": True})
    model_id: str = job["outputs"]["model"]
    with api.services.sessions.transaction() as session:
        row = session.get_one(TunedModel, model_id)
        row.fill(
            {"endpoint": ENDPOINT, "model": "projects/123/locations/us/models/9@1"}, synthetic=True
        )
    return model_id


def scored_evaluation(
    api: Api, caller: Caller, dataset: str, model: str, *, is_right: Callable[[int], bool]
) -> str:
    """Return the id of an evaluation whose answers are right where `is_right(position)` says so."""
    job = caller.submit("evaluate", {"dataset": dataset, "variant": "tuned", "model": model})
    evaluation_id: str = job["outputs"]["evaluation"]
    with api.services.sessions.reading() as session:
        view = ready_dataset(dataset, project_id=caller.project_id, session=session)
    metric = view.metrics[0]
    examples = list(stream_examples(view.examples_key, Split.TEST, store=api.services.store))
    rows = [
        answer_row(evaluation_id, position, metric=metric)
        | {
            "example_id": example.id,
            "group": example.group,
            "input": example.text,
            "references": list(example.references),
            "rejected": "",
            "prediction": example.target if is_right(position) else "no idea at all",
            "answer": example.target if is_right(position) else "no idea at all",
        }
        for position, example in enumerate(examples)
    ]
    key = stored_table(
        api, rows, schema=table_schema([metric]), key=f"evaluations/{evaluation_id}.parquet"
    )
    with api.services.sessions.transaction() as session:
        row = session.get_one(Evaluation, evaluation_id)
        row.rows, row.outcomes, row.table_key = len(rows), {"ok": len(rows)}, key
        row.ready_at = utc_now()
        session.add(
            ScoreRow(
                evaluation_id=evaluation_id,
                metric=metric,
                position=0,
                value=50.0,
                n=len(rows),
                rows=len(rows),
                coverage=1.0,
                method="none",
                signature=None,
            )
        )
    return evaluation_id


def unlucky(share: float) -> Callable[[int], bool]:
    """Return a choice of positions, of which about this share is wrong, the same every time."""

    def is_right(position: int) -> bool:
        drawn = hashlib.sha256(str(position).encode()).digest()[0] / 256
        return drawn >= share

    return is_right
