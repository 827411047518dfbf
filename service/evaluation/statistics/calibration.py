"""Whether confidence means what it says: calibration error, ranking, reliability curve. Pure."""

from dataclasses import dataclass

import numpy as np

from service.evaluation.statistics.binomial import Flags
from service.evaluation.statistics.intervals import Array, wilson_interval

BINS = 15
BINNING = f"{BINS} bins of equal width over 0 to 1"


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose confidence lies above `low` and at most at `high`.

    `right` is the share of right ones, with its 95 % interval (Wilson, rows).
    """

    low: float
    high: float
    rows: int
    confidence: float
    right: float
    right_low: float
    right_high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece` from 0 (perfect) to 1; `auroc` is None where all rows are right, or none is."""

    rows: int
    right: float
    confidence: float
    ece: float
    auroc: float | None
    bins: tuple[ReliabilityBin, ...]


def calibrate(confidence: Array, right: Flags) -> Calibration:
    """Return how confidence, 0 to 1, goes with being right; at least one row.

    The expected calibration error is the mean distance of confidence and share of right ones over
    bins of equal width, weighed by their rows: Guo et al. (2017), On calibration of modern neural
    networks, with their 15 bins. It is biased upwards by some points for under a thousand rows.
    """
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = tuple(
        _bin(place, confidence[places == place], right[places == place])
        for place in np.unique(places).tolist()
    )
    gaps = [each.rows * abs(each.confidence - each.right) for each in bins]
    return Calibration(
        rows=len(right),
        right=float(right.mean()),
        confidence=float(confidence.mean()),
        ece=sum(gaps) / len(right),
        auroc=auroc(confidence, right),
        bins=bins,
    )


def _bin(place: int, confidence: Array, right: Flags) -> ReliabilityBin:
    interval = wilson_interval(float(right.sum()), len(right), confidence=0.95)
    return ReliabilityBin(
        low=place / BINS,
        high=(place + 1) / BINS,
        rows=len(right),
        confidence=float(confidence.mean()),
        right=float(right.mean()),
        right_low=interval.low,
        right_high=interval.high,
    )


def auroc(confidence: Array, right: Flags) -> float | None:
    """Return the probability that a right answer has more confidence than a wrong one.

    Equal confidence counts half: Hanley and McNeil (1982). None without both kinds of answers.
    """
    rights = int(right.sum())
    wrongs = len(right) - rights
    if not rights or not wrongs:
        return None
    _, places, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equals their mean
    above = float(ranks[places][right].sum()) - rights * (rights + 1) / 2
    return above / (rights * wrongs)
