"""What one pass over the training data did, and what a training was asked for."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Cross-entropy and accuracy after one pass, computed on the learner's own steps.

    A step is one decision of the head: the edit of a token, the start or end of an answer, a class.
    `predictions` is the number of training steps of the pass. Losses are in nats.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    eval_loss: float | None
    eval_accuracy: float | None
    predictions: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: passes over the data, a factor on the head's own step size, and the seed."""

    epochs: int = 2
    learning_rate_multiplier: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """Mean loss and accuracy over some steps."""

    loss: float
    accuracy: float


Progress = Callable[[EpochRecord], bool]


def record_epoch(epoch: int, *, train: Fit, evaluated: Fit | None, predictions: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        eval_loss=evaluated.loss if evaluated else None,
        eval_accuracy=evaluated.accuracy if evaluated else None,
        predictions=predictions,
    )
