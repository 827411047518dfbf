"""Fits of a learning curve: every saturating shape on a grid, averaged by how well it fits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

DRAWS = 1000
BAND_POINTS = 48
# A small test set can be right in every row, which makes its interval empty but nothing certain.
LEAST_ERROR = 0.003
# The luck of one tuning and of its training rows, which no test row shows: with it the central
# 80 % of the draws hold 78 % of later scores on LCDB and 84 % of those of fine-tuned language
# models (bench/statistics/bands.py).
TUNING_ERROR = 0.003
# The intervals that come in are 95 % ones, whose errors are drawn as normal. Those over few groups
# are wider, by Student's t: so are their draws, in place of the heavier tails of t.
WIDTH_IN_ERRORS = 3.92
_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class CurveFit:
    """The averaged curve at `sizes` with the central 80 % of its draws, on the metric's scale.

    `gain` is what doubling the largest size is estimated to improve, positive when better;
    `gain_low` and `gain_high` are the central 90 % of its draws, and `small_gain_probability` is
    the share of the draws in which it is less than the gain that is worthwhile. `break_even` is the
    size at which the curve passes the best prompt, None where it does not within `sizes`;
    `break_even_low` and `break_even_high` are the central 80 % of its draws, None beyond `sizes`.
    """

    sizes: tuple[float, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    gain: float
    gain_low: float
    gain_high: float
    small_gain_probability: float
    break_even: float | None = None
    break_even_low: float | None = None
    break_even_high: float | None = None

    @property
    def crossing(self) -> float | None:
        """`break_even`, but None where the curve is above the best prompt at its first size."""
        found = self.break_even
        return None if found is None or found <= self.sizes[0] else found


@dataclass(frozen=True, slots=True)
class Level:
    """A score to be passed, such as the best prompt's, and the width of its 95 % interval."""

    value: float
    width: float


def fit_curve(  # noqa: PLR0913  what is known of the scores, and what is asked
    sizes: Sequence[int],
    values: Sequence[float],
    *,
    widths: Sequence[float],
    scale: float,
    higher_is_better: bool,
    worthwhile_gain: float,
    ahead: float = 2,
    seed: int = 0,
    tuning_error: float = TUNING_ERROR,
    tunings: Sequence[int] = (),
    level: Level | None = None,
) -> CurveFit:
    """Fit scores of three or more sizes; `widths` are those of their 95 % intervals.

    `tuning_error` is the standard deviation of a tuning's luck on 0 to 1; a score is the mean of
    as many `tunings`, of one without them. `level` is the best prompt's score.

    The band ends at `ahead` times the largest size. Beyond twice the error grows large: on public
    curves, a tenth of fits eight times ahead miss the loss by 6 to 37 %.
    """
    grid = np.geomspace(min(sizes), ahead * max(sizes), BAND_POINTS)
    heights = np.asarray(values, dtype=np.float64) / scale
    found = extrapolate(
        sizes,
        heights if higher_is_better else 1 - heights,
        errors=np.asarray(widths, dtype=np.float64) / WIDTH_IN_ERRORS / scale,
        at=[*grid, 2 * max(sizes), max(sizes)],
        seed=seed,
        tuning_error=tuning_error,
        tunings=tunings or [1] * len(sizes),
    )
    low, high = np.percentile(found.scores, [10, 90], axis=0)
    curves = scale * (
        np.array([found.point, low, high])
        if higher_is_better
        else 1 - np.array([found.point, high, low])
    )
    # The last two columns are twice the largest size and the largest size itself.
    gain = scale * (found.point[-2] - found.point[-1])
    gains = scale * (found.samples[:, -2] - found.samples[:, -1])
    gain_low, gain_high = np.percentile(gains, [5, 95])
    value_row, low_row, high_row = (tuple(row[:-2].tolist()) for row in curves)
    return CurveFit(
        tuple(grid.tolist()),
        value_row,
        low_row,
        high_row,
        float(gain),
        float(gain_low),
        float(gain_high),
        float(np.mean(gains < worthwhile_gain)),
        *_break_even(found, grid, level, scale=scale, higher_is_better=higher_is_better, seed=seed),
    )


def _break_even(
    found: "Extrapolation",
    grid: Array,
    level: Level | None,
    *,
    scale: float,
    higher_is_better: bool,
    seed: int,
) -> tuple[float | None, float | None, float | None]:
    """Return where the curve passes a level, and the central 80 % of its draws; None beyond.

    The level has noise of its own in each draw. Curve and prompt meet the same test rows, whose
    luck they share, so the draws are somewhat wider than need be.
    """
    if level is None:
        return None, None, None
    height = level.value / scale if higher_is_better else 1 - level.value / scale
    noise = np.random.default_rng(seed).standard_normal((DRAWS, 1))
    noisy = height + noise * level.width / WIDTH_IN_ERRORS / scale
    drawn = _passing(found.samples[:, : len(grid)], noisy, grid)
    low, high = np.quantile(drawn, [0.1, 0.9], method="inverted_cdf")
    at = _passing(found.point[None, : len(grid)], np.array([[height]]), grid)[0]
    ends = [float(each) if np.isfinite(each) else None for each in (at, low, high)]
    return ends[0], ends[1], ends[2]


def _passing(curves: Array, level: Array, grid: Array) -> Array:
    """Return the first size of the grid at which each curve, which never falls, is at a level."""
    reached = curves >= level
    sizes: Array = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)], np.inf)
    return sizes


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """`point` has one score for each size asked; `samples` one row of them for each draw.

    `scores` are the samples with the luck of a tuning at each size: what a tuning may score there.
    """

    point: Array
    samples: Array
    scores: Array


def extrapolate(
    sizes: ArrayLike,
    scores: ArrayLike,
    *,
    errors: ArrayLike,
    at: ArrayLike,
    seed: int = 0,
    tuning_error: float = TUNING_ERROR,
    tunings: ArrayLike = 1,
) -> Extrapolation:
    """Return the fitted curve at the sizes `at`; the same numbers and seed give the same answer.

    Scores and their standard errors are on 0 to 1 where higher is better. Every shape is
    y = a - b * decay(n) with a <= 1 and b >= 0: for a given decay the best (a, b) has a closed
    form, so a grid over decays cannot get stuck in a local minimum. Shapes are averaged with
    weight prior * exp(-chi squared / 2), each family having the same prior (Hoeting et al.
    1999, Bayesian model averaging). Each draw adds normal noise to the scores, fits again and
    picks one shape by its weight (parametric bootstrap).

    Noise is taken as independent between sizes: that of the test rows, given as `errors`, and
    that of the tuning (`tuning_error`), which the mean of several `tunings` has less of.
    """
    heights = np.asarray(scores, dtype=np.float64)
    luck = tuning_error / np.sqrt(np.asarray(tunings, float))
    spread = np.hypot(np.maximum(np.asarray(errors, float), LEAST_ERROR), luck)
    decays, later = _decays(np.asarray(sizes, float)), _decays(np.asarray(at, float))
    _, _, misses = _solve(heights[None], decays, precision=spread**-2)
    spread = spread * _birge_ratio(misses, points=len(heights))
    drawn = np.random.default_rng(seed)
    noisy = heights + drawn.standard_normal((DRAWS, len(heights))) * spread
    top, drop, misses = _solve(np.vstack([heights, noisy]), decays, precision=spread**-2)
    weights = _weights(misses)
    point = weights[0] @ (top[0, :, None] - drop[0, :, None] * later)
    picked = _pick(weights[1:], chances=drawn.random(DRAWS))
    rows = np.arange(1, DRAWS + 1)
    samples = top[rows, picked, None] - drop[rows, picked, None] * later[picked]
    scores = samples + drawn.standard_normal(samples.shape) * tuning_error
    return Extrapolation(point, samples, scores)


def _families(sizes: Array) -> list[Array]:
    """Return, for each family, one row of decays for each setting of its parameters.

    Families as in Viering and Loog 2022, The Shape of Learning Curves, table 1: pow3, pow4,
    wbl4 and mmf4; the last is the rectified scaling law of Lin et al. 2024.
    """
    rates = np.geomspace(0.03, 2, 28)[:, None]
    slow, shifts = _pairs(rates[::2, 0], [10, 30, 100, 300, 1000])
    speeds, bends = _pairs(np.geomspace(0.002, 2, 12), [0.2, 0.35, 0.5, 0.7, 1])
    halves, powers = _pairs(np.geomspace(1, 3000, 10), [0.25, 0.4, 0.55, 0.75, 1, 1.4])
    return [
        np.maximum(sizes, 1) ** -rates,
        (sizes / shifts + 1) ** -slow,
        np.exp(-speeds * sizes**bends),
        halves / (halves + sizes**powers),
    ]


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    """Return every pairing of two lists of settings, as two columns."""
    left, right = np.meshgrid(np.asarray(first, float), np.asarray(second, float))
    return left.reshape(-1, 1), right.reshape(-1, 1)


def _decays(sizes: Array) -> Array:
    return np.concatenate(_families(sizes))


def _priors() -> Array:
    counts = [len(family) for family in _families(np.ones(1))]
    return np.concatenate([np.full(count, 1 / count) for count in counts])


def _solve(heights: Array, decays: Array, *, precision: Array) -> tuple[Array, Array, Array]:
    """Return a, b and chi squared of every shape (columns) for every row of scores.

    Weighted least squares of y on (1, -decay); where a would pass 1 it is held there and b is
    solved again.
    """
    total = precision.sum()
    centre = (decays * precision).sum(axis=1) / total
    middle = (heights * precision).sum(axis=1, keepdims=True) / total
    apart = decays - centre[:, None]
    swing = (precision * apart**2).sum(axis=1)
    shared = _products((heights - middle) * precision, apart)
    drop = np.maximum(-shared / (swing + _TINY), 0)
    top = middle + drop * centre
    power = (precision * decays**2).sum(axis=1)
    held = _products((1 - heights) * precision, decays) / (power + _TINY)
    drop = np.where(top > 1, np.maximum(held, 0), drop)
    top = np.minimum(top, 1)
    # The sum of precision * (y - a + b * decay) ** 2, from sums about the means: no table of
    # rows times shapes times points is made, which would take nearly all of a fit's time.
    around = (precision * (heights - middle) ** 2).sum(axis=1, keepdims=True)
    misses = (
        around + drop * (2 * shared + drop * swing) + total * (top - middle - drop * centre) ** 2
    )
    return top, drop, np.maximum(misses, 0)


def _products(heights: Array, decays: Array) -> Array:
    """Return the sums over points of each row by each shape.

    Without BLAS, whose threads compute for longer while they wait than these few points take.
    """
    found: Array = np.einsum("rp,sp->rs", heights, decays)
    return found


def _birge_ratio(chi_squared: Array, *, points: int) -> float:
    """Return by how much the errors fall short when even the best shape misses the scores.

    Source: Birge 1932; the Particle Data Group scales errors the same way.
    """
    freedom = max(1, points - 2)
    return max(1.0, float(np.sqrt(chi_squared.min() / freedom)))


def _weights(chi_squared: Array) -> Array:
    best = chi_squared.min(axis=1, keepdims=True)
    weights = _priors() * np.exp(-0.5 * (chi_squared - best))
    fractions: Array = weights / weights.sum(axis=1, keepdims=True)
    return fractions


def _pick(weights: Array, *, chances: Array) -> NDArray[np.intp]:
    """Return one column for each row, drawn by the row's weights."""
    steps = np.cumsum(weights, axis=1)
    picked: NDArray[np.intp] = np.argmax(steps >= chances[:, None] * steps[:, -1:], axis=1)
    return picked
