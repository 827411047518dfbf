"""Checkpoints of a tuned model: each can be asked, and the best is chosen by validation rows."""

import csv
import io
import random
from typing import Any

import pytest

from service.datasets.examples import Split
from service.datasets.queries import stream_examples
from service.evaluation import answer_repository
from service.evaluation.queries import get_evaluation
from service.jobs.lifecycle import State
from service.tuning.queries import get_model
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

EPOCHS = 6
ROWS = {"train": 600, "validation": 100, "test": 200}


def _rows() -> bytes:
    """Return rows whose training labels are wrong in 35 of 100, the others' never.

    A model that goes over them often learns the wrong ones by heart.
    """
    rng = random.Random(5)  # noqa: S311  repeatable
    hints = {"yes": [f"good{n}" for n in range(6)], "no": [f"bad{n}" for n in range(6)]}
    others = {"yes": "no", "no": "yes"}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["text", "label", "split"])
    for split, count in ROWS.items():
        for _ in range(count):
            label = rng.choice(sorted(hints))
            words = [*rng.choices([f"w{n}" for n in range(60)], k=6), rng.choice(hints[label])]
            rng.shuffle(words)
            wrong = split == "train" and rng.random() < 0.35
            writer.writerow([" ".join(words), others[label] if wrong else label, split])
    return buffer.getvalue().encode()


@pytest.fixture
def overfitted(stack: Stack) -> tuple[str, str]:
    """Return the ids of a dataset and of a model that was tuned on it for too many epochs."""
    file_id = stack.upload(_rows(), name="noisy.csv", file_format="csv")
    prepare = {
        "preset": "classification",
        "labels": ["no", "yes"],
        "source": {"type": "file", "file_id": file_id},
        "split_column": "split",
        "train_sizes": [ROWS["train"]],
        "test_size": ROWS["test"],
        "validation_size": ROWS["validation"],
        "near_duplicates": None,
    }
    dataset = stack.succeeded(stack.submit("prepare", prepare).id).outputs["dataset"]
    tune = {
        "dataset": dataset,
        "train_size": ROWS["train"],
        "hyperparameters": {"epochs": EPOCHS, "learning_rate_multiplier": 1},
    }
    return dataset, stack.succeeded(stack.submit("tune", tune).id).outputs["model"]


def test_the_best_checkpoint_beats_the_last_and_no_test_row_takes_part_in_the_choice(
    stack: Stack, overfitted: tuple[str, str]
) -> None:
    dataset, model = overfitted
    asked = {"dataset": dataset, "variant": "tuned", "model": model}

    best = stack.succeeded(stack.submit("evaluate", asked | {"checkpoint": "best"}).id)
    chosen, scores = _evaluation(stack, best.outputs["evaluation"])
    epoch = {each["checkpoint"]: each["epoch"] for each in chosen.checkpoints}[chosen.checkpoint]
    last, same = (
        stack.succeeded(stack.submit("evaluate", asked | more).id)
        for more in ({}, {"epoch": epoch})
    )

    assert epoch < EPOCHS
    assert [each["epoch"] for each in chosen.checkpoints] == list(range(1, EPOCHS + 1))
    value = scores[0].value
    assert value == _evaluation(stack, same.outputs["evaluation"])[1][0].value
    reported = f"{value}, {_evaluation(stack, last.outputs['evaluation'])[1][0].value}"
    assert value > _evaluation(stack, last.outputs["evaluation"])[1][0].value + 3, (
        reported,
        chosen.checkpoints,
    )
    trials = [child for child in stack.children(best.id) if child.kind == "evaluate"]
    assert {trial.state for trial in trials} == {State.SUCCEEDED}
    known = _ids(stack, dataset)
    assert not known[Split.TEST] & known[Split.VALIDATION]
    for trial in trials:
        answered = _answered(stack, trial.outputs["evaluation"], known[Split.TEST])
        assert answered == set()  # the log of what was asked has no test row in it
        assert _answered(stack, trial.outputs["evaluation"], known[Split.VALIDATION])
    begun = min(each.created_at for each in _samples(stack, best.outputs["evaluation"], known))
    assert all(trial.finished_at and trial.finished_at <= begun for trial in trials)
    row = get_model(model, project_id=stack.project_id, sessions=stack.services.sessions)
    assert len({each["endpoint"] for each in row.checkpoints}) == EPOCHS


def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(
    stack: Stack, overfitted: tuple[str, str]
) -> None:
    dataset, model = overfitted
    spec = {"dataset": dataset, "variant": "tuned", "model": model, "checkpoint": "17"}

    job = stack.ended(stack.submit("evaluate", spec).id)

    assert job.error is not None
    assert job.error["code"] == "checkpoint_not_found"
    assert "1 (epoch 1), 2 (epoch 2)" in job.error["detail"]


def _evaluation(stack: Stack, evaluation_id: str) -> Any:
    sessions = stack.services.sessions
    return get_evaluation(evaluation_id, project_id=stack.project_id, sessions=sessions)


def _ids(stack: Stack, dataset: str) -> dict[Split, set[str]]:
    from service.datasets.queries import examples_key_of

    services = stack.services
    key = examples_key_of(dataset, project_id=stack.project_id, sessions=services.sessions)
    return {
        split: {each.id for each in stream_examples(key, split, store=services.store)}
        for split in (Split.VALIDATION, Split.TEST)
    }


def _answered(stack: Stack, evaluation_id: str, ids: set[str]) -> set[str]:
    with stack.services.sessions.reading() as session:
        found = answer_repository.stored_keys(session, evaluation_id, sorted(ids))
    return {example for example, _ in found}


def _samples(stack: Stack, evaluation_id: str, known: dict[Split, set[str]]) -> Any:
    with stack.services.sessions.reading() as session:
        found = answer_repository.samples_of(session, evaluation_id, sorted(known[Split.TEST]))
    return [sample for samples in found.values() for sample in samples]
