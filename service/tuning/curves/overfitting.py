"""Whether a training has overfitted: its validation loss has turned up, and the gap grows. Pure.

The rule follows Prechelt, "Early Stopping - But When?" (1998): generalisation loss above the lowest
validation loss so far (his GL) that lasts for several evaluations in a row (his UP). Both levels
are means over neighbours, and the rise must stand out from the noise of the curve, estimated
from differences of neighbours (as von Neumann et al., "The Mean Square Successive Difference",
1941; of second order, so that a slope counts nothing, and by their median). Noise that is
independent from point to point is assumed; `bench/statistics/overfitting.py` counts false findings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean, median

from service.tuning.curve_schemas import Inconclusive

FEW_POINTS = 8  # of 7 with noise of 1 % one in eight is missed, of 6 all (bench/statistics)
_LAST = 3  # evaluations after the lowest: his strip and our means
_LEAST_RISE = 0.05  # of the lowest loss: a smaller one is not worth fewer epochs
_SIGMAS = 4.0  # with 3, one in fifteen long and noisy healthy curves raised it
_SIGMA_OF_MEDIAN = 1.4826 / sqrt(6)  # of second differences of independent normal values

Curve = Sequence[tuple[int, float]]  # step and loss, by step


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Where the validation loss was lowest, and where it and the gap to training are at last.

    Losses are means over up to three neighbouring points; `rise` is a part of the lowest loss.
    """

    best_step: int
    best_loss: float
    last_step: int
    last_loss: float
    rise: float
    best_gap: float
    last_gap: float


def find_overfitting(train: Curve, validation: Curve) -> Overfitting | None:
    """Return the overfitting that two loss curves show, or None where they show none.

    Three evaluations at least must follow the lowest one, all above it; fewer than five in all
    decide nothing.
    """
    losses = [loss for _, loss in validation]
    if len(losses) < _LAST + 2 or not train:
        return None
    best = losses.index(min(losses))
    if best >= len(losses) - _LAST:
        return None
    around = slice(max(0, best - 1), best + 2)
    best_loss, last_loss = fmean(losses[around]), fmean(losses[-_LAST:])
    noise = _noise(losses) * sqrt(1 / len(losses[around]) + 1 / _LAST)
    if last_loss - best_loss <= max(_LEAST_RISE * abs(best_loss), _SIGMAS * noise):
        return None
    steps = [step for step, _ in validation]
    best_gap = best_loss - _mean_until(train, steps[around])
    last_gap = last_loss - _mean_until(train, steps[-_LAST:])
    if last_gap - best_gap < last_loss - best_loss:
        return None  # the training loss rises too: that is divergence, not overfitting
    return Overfitting(
        best_step=steps[best],
        best_loss=best_loss,
        last_step=steps[-1],
        last_loss=last_loss,
        rise=last_loss / best_loss - 1 if best_loss else 0.0,
        best_gap=best_gap,
        last_gap=last_gap,
    )


def why_inconclusive(train: Curve, validation: Curve) -> Inconclusive | None:
    """Return why nothing can be said of overfitting; None where it is found, or was looked for on
    enough points.
    """
    if not train or not validation:
        return Inconclusive.NO_VALIDATION
    if len(validation) >= FEW_POINTS or find_overfitting(train, validation):
        return None
    return Inconclusive.TOO_FEW_POINTS


def _noise(losses: Sequence[float]) -> float:
    """Return the standard deviation of a point around its curve, whose slope counts nothing."""
    slopes = [after - before for before, after in pairwise(losses)]
    return _SIGMA_OF_MEDIAN * median(abs(after - before) for before, after in pairwise(slopes))


def _mean_until(curve: Curve, steps: Sequence[int]) -> float:
    """Return the mean training loss of the points between the first and the last of some steps,
    or of the latest before them.
    """
    within = [loss for step, loss in curve if steps[0] <= step <= steps[-1]]
    before = [loss for step, loss in curve if step < steps[0]]
    return fmean(within or before[-1:] or [curve[0][1]])
