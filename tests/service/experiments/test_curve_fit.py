"""Fits against known curves and against public ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.experiments.learning_curve.fit import extrapolate, fit_curve
from tests.service.evaluation.published import published

SIZES = np.array([50, 100, 200, 400, 800, 1600])


@pytest.mark.parametrize("rate", [0.2, 0.5, 1.0])
def test_a_power_law_is_found_again_one_doubling_ahead(rate: float) -> None:
    at = 3200
    found = extrapolate(SIZES, 0.95 - 1.5 * SIZES**-rate, errors=[0.003] * 6, at=[at])
    low, high = np.percentile(found.samples[:, 0], [5, 95])
    truth = 0.95 - 1.5 * at**-rate
    assert found.point[0] == pytest.approx(truth, abs=0.005)
    assert low < truth < high


def test_the_published_article_is_within_the_band_eight_times_ahead() -> None:
    """Scores of 50, 200 and 800 examples, then 6,400: SacreBLEU as the article prints them."""
    found = extrapolate([50, 200, 800], [0.8638, 0.9097, 0.9430], errors=[0.005] * 3, at=[6400])
    low, high = np.percentile(found.samples[:, 0], [10, 90])
    assert low < 0.9752 < high
    assert found.samples.max() <= 1


def test_the_band_holds_the_next_score_of_public_curves_about_as_often_as_the_report_says() -> None:
    meta = published("learning_curves/lcdb11_meta.json")
    curves = published("learning_curves/lcdb11_error_rate_shared.json.gz")
    places = [meta["anchors"].index(size) for size in (182, 363, 725, 1449)]
    held = []
    for learners in (each["er"] for each in curves.values()):
        for means, errors in (each for each in learners if each is not None):
            if len(means) <= places[-1]:
                continue
            rows = [(means[place][2], errors[place][2]) for place in places]
            if any(value is None for row in rows for value in row):
                continue
            goodness = 1 - np.array([mean for mean, _ in rows])
            if np.ptp(goodness) < 0.03:  # a flat curve is no test of a fit
                continue
            found = extrapolate(
                [182, 363, 725], goodness[:3], errors=[error for _, error in rows[:3]], at=[1449]
            )
            low, high = np.percentile(found.samples[:, 0], [5, 95])
            held.append(low <= goodness[3] <= high)
    assert len(held) > 100
    assert 0.7 <= np.mean(held) <= 0.9


@settings(deadline=None, max_examples=30)
@given(scores=st.lists(st.floats(0, 1), min_size=6, max_size=6), error=st.floats(0, 0.1))
def test_a_fitted_curve_never_falls_and_never_passes_the_perfect_score(
    scores: list[float], error: float
) -> None:
    at = np.geomspace(50, 6400, 12)
    found = extrapolate(SIZES, scores, errors=[error] * 6, at=at)
    assert (np.diff(found.samples, axis=1) >= -1e-9).all()
    assert (found.samples <= 1 + 1e-9).all()
    assert np.isfinite(found.point).all()


def test_the_same_scores_and_seed_give_the_same_fit_and_another_seed_another() -> None:
    scores = [0.5, 0.6, 0.66, 0.7, 0.72, 0.73]
    one = extrapolate(SIZES, scores, errors=[0.01] * 6, at=[3200], seed=1)
    same = extrapolate(SIZES, scores, errors=[0.01] * 6, at=[3200], seed=1)
    other = extrapolate(SIZES, scores, errors=[0.01] * 6, at=[3200], seed=2)
    assert (one.samples == same.samples).all()
    assert (one.samples != other.samples).any()


def test_scores_that_no_curve_fits_widen_the_band() -> None:
    smooth = extrapolate([50, 100, 200], [0.6, 0.65, 0.68], errors=[0.003] * 3, at=[400])
    jagged = extrapolate([50, 100, 200], [0.6, 0.75, 0.6], errors=[0.003] * 3, at=[400])
    assert np.ptp(jagged.samples) > np.ptp(smooth.samples)
    assert np.std(jagged.samples) > 0.02


def test_a_metric_where_lower_is_better_is_fitted_upside_down() -> None:
    scores = [60.0, 70.0, 76.0, 80.0]
    up = fit_curve(
        [50, 100, 200, 400],
        scores,
        widths=[2] * 4,
        scale=100,
        higher_is_better=True,
        worthwhile_gain=0.5,
    )
    down = fit_curve(
        [50, 100, 200, 400],
        [100 - score for score in scores],
        widths=[2] * 4,
        scale=100,
        higher_is_better=False,
        worthwhile_gain=0.5,
    )
    assert down.values == pytest.approx([100 - value for value in up.values])
    assert down.low == pytest.approx([100 - value for value in up.high])
    assert down.gain == pytest.approx(up.gain)
    assert down.gain > 0
    assert down.small_gain_probability == pytest.approx(up.small_gain_probability)


@pytest.mark.parametrize("ahead", [2, 8])
def test_the_band_reaches_as_far_ahead_as_asked_and_holds_the_curve(ahead: float) -> None:
    fit = fit_curve(
        [50, 200, 800],
        [86.4, 91.0, 94.3],
        widths=[2] * 3,
        scale=100,
        higher_is_better=True,
        worthwhile_gain=0.5,
        ahead=ahead,
    )
    assert fit.sizes[0] == pytest.approx(50)
    assert fit.sizes[-1] == pytest.approx(ahead * 800)
    lines = zip(fit.low, fit.values, fit.high, strict=True)
    assert all(low <= value <= high for low, value, high in lines)
    assert fit.gain_low <= fit.gain <= fit.gain_high
