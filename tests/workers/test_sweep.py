"""A hyperparameter sweep through real workers: equal cells once, a ranking, a final tuning."""

from typing import Any

import pytest

from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.queries import get_experiment
from service.tuning.queries import get_model
from tests.support.stack import Stack

pytestmark = pytest.mark.journey


def test_a_sweep_tunes_equal_cells_once_ranks_them_and_tunes_the_best_on_all_rows(
    stack: Stack,
) -> None:
    source = {"type": "synthetic", "rows": 300, "seed": 5}
    prepare: dict[str, Any] = {
        "preset": "pii",
        "source": source,
        "train_sizes": [20, 80],
        "test_size": 40,
    }
    dataset = stack.succeeded(stack.submit("prepare", prepare).id).outputs["dataset"]
    sweep = {"epochs": [1, 4, 4], "learning_rate_multipliers": [1], "shots": [0, 1]}
    spec = {"dataset": dataset, "train_sizes": [20], "shots": 0, "sweep": sweep, "final": True}

    job = stack.succeeded(stack.submit("experiment", spec).id)

    assert stack.spent("tunings_created") == 3  # two configurations on 20 rows, one on 80
    row, variants = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert [each.name for each in variants] == [
        "zero-shot",
        "tuned@20 e1 lr1",
        "tuned@20 e4 lr1",
        "tuned@20 e1 lr1 + 1 shots",
        "tuned@20 e4 lr1 + 1 shots",
    ]
    curve = ExperimentCurve.model_validate(row.curve)
    assert [each.rank for each in curve.ranking] == [1, 2, 3, 4, 5]
    assert curve.ranking[0].below_best is None
    assert all((each.below_best or 0) >= 0 for each in curve.ranking)
    best = next(each for each in curve.ranking if each.name.startswith("tuned"))
    assert job.result is not None
    final = get_model(
        job.result["final_model"],
        project_id=stack.project_id,
        sessions=stack.services.sessions,
    )
    chosen = next(each for each in variants if each.name == best.name)
    assert final.train_size == 80
    assert final.hyperparameters["epochs"] == chosen.epochs
    assert final.id not in {each.model for each in variants}
    assert "of 2 configurations" in (row.answer or "")
