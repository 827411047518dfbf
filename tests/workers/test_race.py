"""A race: tuned variants that are shown to lose are asked no more, the best is asked all."""

import csv
import io
import random
from typing import Any

import pytest
from sqlalchemy import func, select

from service.database import Model
from service.datasets.queries import get_dataset
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.queries import get_experiment
from service.jobs.lifecycle import State
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

SIZES = (6, 400)


def _rows() -> bytes:
    rng = random.Random(7)  # noqa: S311  repeatable
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["text", "label"])
    for _ in range(900):
        label = rng.choice(["no", "yes"])
        hints = [f"{'good' if label == 'yes' else 'bad'}{n}" for n in range(6)]
        words = [*rng.choices([f"w{n}" for n in range(200)], k=8), rng.choice(hints)]
        rng.shuffle(words)
        writer.writerow([" ".join(words), label])
    return buffer.getvalue().encode()


def test_a_losing_size_is_stopped_early_and_the_best_is_asked_every_row(stack: Stack) -> None:
    file_id = stack.upload(_rows(), name="race.csv", file_format="csv")
    prepare: dict[str, Any] = {
        "preset": "classification",
        "labels": ["no", "yes"],
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": SIZES,
        "test_size": 200,
        "near_duplicates": None,
    }
    spec = {"prepare": prepare, "shots": 0, "epochs": "matched", "racing": True}

    job = stack.succeeded(stack.submit("experiment", spec).id)

    row, variants = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    found = {each.name: each for each in variants}
    assert found["zero-shot"].test_rows == found["tuned@400"].test_rows == 200
    asked = found["tuned@6"].test_rows
    assert asked is not None
    assert asked < 200
    curve = ExperimentCurve.model_validate(row.curve)
    assert curve.race is not None
    assert (curve.race.looks, curve.race.stopped) == (3, ["tuned@6"])
    assert curve.race.rows_saved == 200 - asked
    assert [each.stopped_after for each in curve.points] == [asked, None]
    assert "the race stopped 1 tuned variant early" in (row.answer or "")
    # A lap pays for none of the one before.
    assert stack.spent("repeated_prompts") == 0, stack.emulator.ledger()["most_repeated"]
    evaluations = [each for each in stack.children(job.id) if each.kind == "evaluate"]
    assert {each.state for each in evaluations} == {State.SUCCEEDED}
    assert stack.spent("calls_accepted") == 200 * 2 + asked
    prediction = Model.metadata.tables["prediction"]
    fresh = select(func.count()).where(~prediction.c.cached)
    with stack.services.sessions.reading() as session:
        ours = {each.outputs["evaluation"] for each in evaluations}
        count = session.scalar(fresh.where(prediction.c.evaluation_id.in_(ours)))
    assert count == 200 * 2 + asked


def test_a_race_by_a_metric_that_is_no_mean_over_rows_is_refused(stack: Stack) -> None:
    from service.errors import Invalid

    source = {"type": "synthetic", "rows": 300, "seed": 0}
    prepare = {"preset": "pii", "source": source, "train_sizes": [20], "test_size": 40}
    with pytest.raises(Invalid, match="a mean over rows, not sacrebleu"):
        stack.submit("experiment", {"prepare": prepare, "racing": True})


def test_replicates_are_tunings_of_their_own_and_tell_the_luck_of_a_tuning(stack: Stack) -> None:
    source = {"type": "synthetic", "rows": 300, "seed": 3}
    prepare = {"preset": "pii", "source": source, "train_sizes": [20, 80], "test_size": 40}
    spec = {"prepare": prepare, "shots": 0, "replicates": 2, "epochs": "matched"}

    job = stack.succeeded(stack.submit("experiment", spec).id)
    created = stack.spent("tunings_created")
    again = stack.succeeded(stack.submit("experiment", spec).id)

    assert created == 4
    assert stack.spent("tunings_created") == created  # each replicate is used again by itself
    variants = stack.variants(job)
    assert [name for name in variants if name.startswith("tuned")] == [
        "tuned@20",
        "tuned@20 #2",
        "tuned@80",
        "tuned@80 #2",
    ]
    assert len({each.model for each in variants.values() if each.model}) == 4
    row, _ = get_experiment(
        again.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    curve = ExperimentCurve.model_validate(row.curve)
    assert curve.tuning_error_measured
    assert [each.name for each in curve.replicates] == ["tuned@20 #2", "tuned@80 #2"]
    assert not {"tuned@20 #2"} & {each.first for each in curve.comparisons}
    assert {each.epochs for each in curve.points} == {4}
    assert "the same tuning once more scores" in (row.answer or "")


def test_prompts_and_other_subsets_are_tuned_on_datasets_of_their_own_with_the_same_test_rows(
    stack: Stack,
) -> None:
    source = {"type": "synthetic", "rows": 300, "seed": 5}
    prepare = {"preset": "pii", "source": source, "train_sizes": [20], "test_size": 40}
    spec = {
        "prepare": prepare,
        "shots": 0,
        "replicates": 2,
        "replicate_by": "subset",
        "hyperparameters": {"epochs": 1},
        "sweep": {"prompts": ["Put a placeholder for what is personal."]},
    }

    job = stack.succeeded(stack.submit("experiment", spec).id)

    tuned = ["tuned@20 e1", "tuned@20 e1 #2", "tuned@20 e1 p1", "tuned@20 e1 p1 #2"]
    assert list(stack.variants(job)) == ["zero-shot", *tuned]
    children = stack.children(job.id)
    made = {
        each.labels["variant"]: get_dataset(
            each.outputs["dataset"], project_id=stack.project_id, sessions=stack.services.sessions
        )
        for each in children
        if each.kind == "prepare"
    }
    assert list(made) == ["dataset", "dataset #2", "dataset p1", "dataset p1 #2"]
    assert len({each.training_files["20"]["sha256"] for each in made.values()}) == 4
    tunings = {each.labels["variant"]: each for each in children if each.kind == "tune"}
    assert [tunings[name].spec["dataset"] for name in tuned] == [each.id for each in made.values()]
    asked = {each.labels["variant"]: each.spec for each in children if each.kind == "evaluate"}
    assert {each["dataset"] for each in asked.values()} == {made["dataset"].id}
    prompt = made["dataset p1"].instruction
    assert "a placeholder for what is personal" in prompt
    assert [asked[name]["instruction"] for name in tuned] == [None, None, prompt, prompt]
    row, _ = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert "a tuning on other rows of this dataset scores" in (row.answer or "")
