"""The learning curves of an experiment that tunes several base models, in words. Pure."""

from service.evaluation.metrics.registry import find_score
from service.experiments.analysis import Analysis
from service.experiments.base_model_words import model_words
from service.experiments.decisions.decision import rank
from service.experiments.learning_curve.curve import LearningCurve
from service.experiments.report.plots import score_words

CURVE_HEADS = ("Base model", "Best size", "Score", "More data", "Gain of one more doubling")


def curve_rows(analysis: Analysis) -> list[list[str]]:
    """Return a row for each base model; none where one alone was tuned."""
    curves = (analysis.curve, *analysis.rivals) if analysis.rivals else ()
    return [_cells(each) for each in curves]


def _cells(curve: LearningCurve) -> list[str]:
    best = next(iter(rank(curve.points, spec=find_score(curve.metric))), None)
    fit = curve.fit
    return [
        model_words(curve.base_model),
        f"{best.train_size:,}" if best else "",
        score_words(best) if best else "no score",
        curve.verdict.value,
        f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]" if fit else "",
    ]
