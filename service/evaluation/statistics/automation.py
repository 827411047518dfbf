"""How many answers can go out unseen at a promised precision, estimated on rows apart. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.evaluation.statistics.binomial import (
    Flags,
    Groups,
    effective_count,
    exact_interval,
    tail_at_most,
)
from service.evaluation.statistics.intervals import Array

RISK = 0.05  # that a threshold breaks its promise
FOLDS = 5
_STARTS = 3
_LEVELS = 100  # of confidence that are tested at most
METHOD = (
    "thresholds by learn then test (fixed sequences, exact binomial tails), each chosen without "
    f"one of {FOLDS} folds of the groups and checked on it; Clopper-Pearson intervals"
)


@dataclass(frozen=True, slots=True)
class Automation:
    """Answers whose confidence reaches `threshold` go out unseen; None: no threshold can promise.

    `target` is the share of right ones among them that is promised, with a probability of 95 %.
    `share` of all rows passed thresholds that were chosen without their fold, and `precision` of
    these were right; each with its 95 % interval. `rows` are all, `passed` those that passed.
    """

    target: float
    threshold: float | None
    rows: int
    passed: int
    share: float
    share_low: float
    share_high: float
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    groups: int
    method: str = METHOD


def automate(
    confidence: Array, right: Flags, groups: Groups, *, target: float, seed: int = 0
) -> Automation:
    """Return what can be automated at a precision of `target`, 0 to 1; at least one row."""
    passed = np.zeros(len(right), dtype=bool)
    folds = folds_of(groups, seed=seed)
    for fold in range(FOLDS):
        apart = folds == fold
        found = choose_threshold(confidence[~apart], right[~apart], groups[~apart], target=target)
        if found is not None:
            passed |= apart & (confidence >= found)
    share = exact_interval(effective_count(passed, groups))
    checked = effective_count(right[passed], groups[passed]) if passed.any() else None
    precision = exact_interval(checked) if checked else None
    return Automation(
        target=target,
        threshold=choose_threshold(confidence, right, groups, target=target),
        rows=len(right),
        passed=int(passed.sum()),
        share=float(passed.mean()),
        share_low=share.low,
        share_high=share.high,
        precision=float(right[passed].mean()) if precision else None,
        precision_low=precision.low if precision else None,
        precision_high=precision.high if precision else None,
        groups=share.groups,
    )


def folds_of(groups: Groups, *, seed: int) -> Groups:
    """Return the fold of each row, from 0: groups are dealt out by seed and stay together."""
    names, places = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names))
    folds: Groups = (drawn % FOLDS)[places]
    return folds


def choose_threshold(
    confidence: Array, right: Flags, groups: Groups, *, target: float, risk: float = RISK
) -> float | None:
    """Return the lowest confidence above which at least `target` of answers are right; or None.

    The promise is broken with a probability of at most `risk`, whatever the confidence means: one
    level after another, from the highest down, must refute "fewer than `target` are right" by an
    exact binomial tail, until one does not. Levels that few rows reach refute little, so there are
    several starts, each with twice the groups of the one before, that share the risk.
    Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test: calibrating
    predictive algorithms to achieve risk control, fixed sequence testing with several starts.
    Levels and starts go by the confidence alone, never by who is right.
    """
    levels = _levels(confidence)
    sizes = [len(np.unique(groups[confidence >= level])) for level in levels]
    starts = _starts(sizes, target=target, risk=risk)
    chosen: list[float] = []
    for start in starts:
        for level in levels[start:]:
            passed = confidence >= level
            if not _refutes(right[passed], groups[passed], target=target, risk=risk / len(starts)):
                break
            chosen.append(level)
    return min(chosen, default=None)


def _starts(sizes: Sequence[int], *, target: float, risk: float) -> list[int]:
    """Return the levels to start from: the first with groups enough to refute anything, and on."""
    least = math.log(risk / _STARTS) / math.log(target)
    wanted = (least * 2**step for step in range(_STARTS))
    found = (next((at for at, size in enumerate(sizes) if size >= each), None) for each in wanted)
    return sorted({at for at in found if at is not None})


def _levels(confidence: Array) -> list[float]:
    """Return the levels to test, the highest first: all there are, or evenly spread ones."""
    levels = np.unique(confidence)[::-1]
    if len(levels) > _LEVELS:
        ordered = np.sort(confidence)[::-1]
        places = np.linspace(0, len(ordered) - 1, _LEVELS).round().astype(int)
        levels = np.unique(ordered[places])[::-1]
    return [float(level) for level in levels]


def _refutes(right: Flags, groups: Groups, *, target: float, risk: float) -> bool:
    counted = effective_count(right, groups)
    wrong = counted.trials - counted.successes
    return tail_at_most(wrong, counted.trials, rate=1 - target) <= risk
