"""The record of each training epoch, and the plan of a training."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Cross-entropy and accuracy after one pass, computed on the learner's own steps.

    A step is one decision of the head: the edit of a token, the start or end of an answer, a class.
    `predictions` is the number of training steps of the pass, `eval_predictions` that of the
    validation steps measured after it, None without validation rows. Losses are in nats.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    eval_loss: float | None
    eval_accuracy: float | None
    predictions: int
    eval_predictions: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: passes over the data, a factor on the head's own step size, and the seed.

    `beta` is the weight that holds a model learning from pairs to what it was.
    """

    epochs: int = 2
    learning_rate_multiplier: float = 1.0
    seed: int = 0
    beta: float = 0.1


@dataclass(frozen=True, slots=True)
class Fit:
    """Mean loss and accuracy over some steps, and how many these were."""

    loss: float
    accuracy: float
    steps: int = 0


Progress = Callable[[EpochRecord], bool]

MOST_DEFAULT_EPOCHS, FEWEST_DEFAULT_EPOCHS = 40, 2
# One default run is reported: 166 examples took 40 epochs. The rest of the rule is a guess.
DEFAULT_ROWS_SEEN = 166 * 40


def default_epochs(examples: int) -> int:
    """Return the passes of a tuning that asks for none: as many as see 6,640 rows, from 2 to 40."""
    passes = round(DEFAULT_ROWS_SEEN / max(1, examples))
    return max(FEWEST_DEFAULT_EPOCHS, min(MOST_DEFAULT_EPOCHS, passes))


def record_epoch(epoch: int, *, train: Fit, evaluated: Fit | None, predictions: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        eval_loss=evaluated.loss if evaluated else None,
        eval_accuracy=evaluated.accuracy if evaluated else None,
        predictions=predictions,
        eval_predictions=evaluated.steps if evaluated else None,
    )
