"""What is learned from real pairs: more of them help, wrong ones do not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.learners.rules.base_model import answer_base
from emulator.learners.tuned_model import train_model
from tests.emulator.learners import pairs
from tests.emulator.learners.pairs import Pair, Task


def score(task: Task, training: list[Pair], *, epochs: int = 2) -> float:
    model = train_model(training, epochs=epochs)
    return task.score(model.answer_many([prompt for prompt, _ in task.test]), task.test)


def base_score(task: Task) -> float:
    answers = [answer_base([("user", prompt)]) for prompt, _ in task.test]
    return task.score(answers, task.test)


def test_masking_improves_with_more_pairs_on_templates_never_seen() -> None:
    task = pairs.masking()

    few, more, most = (score(task, task.train[:size]) for size in (50, 200, 800))

    assert base_score(task) < few < more < most
    assert most > few + 4


def test_answering_improves_with_more_pairs_on_articles_never_seen() -> None:
    task = pairs.questions()

    few, more, most = (score(task, task.train[:size]) for size in (50, 200, 800))

    assert few > base_score(task) - 3
    assert few < more < most


def test_sentiment_never_falls_far_below_the_base_model_and_rises_above_it() -> None:
    task = pairs.tweets()
    base = base_score(task)

    scores = [score(task, task.train[:size]) for size in (50, 800, 6400)]

    assert min(scores) > base - 3
    assert scores[-1] > base + 3


@pytest.mark.parametrize(
    ("load", "ceiling"), [(pairs.masking, 20), (pairs.questions, 10), (pairs.tweets, 46)]
)
def test_shuffled_targets_teach_nothing(load: Callable[[], Task], ceiling: float) -> None:
    task = load()

    scores = [score(task, pairs.shuffled_targets(task.train[:size])) for size in (100, 400)]

    assert max(scores) < ceiling


def test_more_passes_and_larger_steps_fit_the_training_rows_closer() -> None:
    task = pairs.masking()
    rows = task.train[:100]

    losses = [train_model(rows, epochs=epochs).history[-1].train_loss for epochs in (1, 3)]
    small, large = (
        train_model(rows, learning_rate_multiplier=factor).history[-1].train_loss
        for factor in (0.1, 1)
    )

    assert losses[1] < losses[0]
    assert large < small / 2


def test_records_are_computed_on_training_and_validation_rows() -> None:
    task = pairs.tweets()

    model = train_model(task.train[:300], validation=task.test[:200], epochs=3)

    assert [record.epoch for record in model.history] == [1, 2, 3]
    last = model.history[-1]
    answers = model.answer_many([prompt for prompt, _ in task.test[:200]])
    assert last.eval_accuracy == pytest.approx(pairs.accuracy(answers, task.test[:200]) / 100)
    assert last.eval_loss is not None
    assert last.train_loss < last.eval_loss
    assert last.predictions == 300
    assert last.eval_predictions == 200
    assert replace(last, epoch=1) != model.history[0]
