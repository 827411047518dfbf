"""What an un-tuned rule's guess says of the truth: the start that a tuned model learns from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Before any row is seen: so many rows where the rule was right, so many spread by class.
ROWS_RIGHT, ROWS_SPREAD = 10.0, 4.0


@dataclass(frozen=True, slots=True)
class Prior:
    """Logs, guess x class; `guesses` are rows of it, one a step, never spread out in memory."""

    logs: Floats
    guesses: Ints

    def take(self, rows: Ints | slice) -> "Prior":
        return Prior(self.logs, self.guesses[rows])

    def offsets(self) -> Floats:
        """Return logs, steps x classes, to be added to what the features say."""
        spread: Floats = self.logs[self.guesses]
        return spread


def fit_prior(
    guesses: Ints, truth: Ints, *, rule: NDArray[Any], rows_to_halve: float = np.inf
) -> Floats:
    """Return the logs of a prior, drawn to the classes' own shares by more rows.

    `rule` is guess x class, 1 where the un-tuned rule means that class by that guess. With
    `rows_to_halve` rows the prior counts half.
    """
    classes = rule.shape[1]
    share = (np.bincount(truth, minlength=classes) + 0.5) / (len(truth) + 0.5 * classes)
    counts = ROWS_RIGHT * rule + ROWS_SPREAD * share
    np.add.at(counts, (guesses, truth), 1)
    logs = np.log(counts / counts.sum(axis=1, keepdims=True))
    weight = 1 / (1 + len(truth) / rows_to_halve)
    return np.asarray(np.log(share) + weight * (logs - np.log(share)), np.float32)
