"""The answer of an experiment in words: one sentence that claims no more than its intervals do."""

from collections.abc import Iterable

from service.evaluation.metrics.registry import find_score
from service.evaluation.statistics.comparison import FULL_COVERAGE
from service.evaluation.statistics.intervals import FEW_GROUPS
from service.experiments.analysis import Analysis
from service.experiments.decisions.decision import Decision, SizeBasis, Worth
from service.experiments.decisions.front import unpriced
from service.experiments.hyperparameter_sweep import configuration_words
from service.experiments.learning_curve.curve import LearningCurve, Point, Verdict
from service.experiments.words import (
    about,
    doubt_words,
    gap_words,
    point_label,
    race_clauses,
    range_words,
    rival_clauses,
    subject_words,
    tuned_words,
)
from service.money import dollar_words, price_words

_EPOCHS_ALIKE = 2  # times
_ROWS_ALIKE = 1.25  # times, as epochs are whole


def answer(analysis: Analysis) -> str:
    """Say the decision in one sentence that claims no more than its intervals do."""
    return "; ".join(answer_clauses(analysis)) + "."


def answer_clauses(analysis: Analysis) -> list[str]:
    """Return the parts of the answer: the headline first, then what supports and limits it."""
    decision, curve = analysis.decision, analysis.curve
    title = find_score(curve.metric, pointer="/metric").title
    return [
        _headline(decision, title=title, tests=len(analysis.comparisons)),
        *_sizes(analysis),
        *rival_clauses(analysis),
        *_sweep(analysis),
        *race_clauses(analysis.race),
        *_extension(analysis),
        *_luck(analysis),
        *_passes(curve),
        *([_outlook(curve)] if decision.best else []),
        *_costs(analysis),
        *_next(analysis),
        *_gaps(analysis),
    ]


def _headline(decision: Decision, *, title: str, tests: int) -> str:
    chosen, prompt, against = decision.candidate, decision.best_prompt, decision.against_prompt
    if chosen is None:
        return _untuned(prompt, title=title)
    score = _score_words(chosen, title=title)
    if prompt is None or against is None:
        return (
            f"Tuning {tuned_words(chosen)} scores {score}; "
            "no prompt was scored, so whether tuning is worth it is not known"
        )
    above = gap_words(against, scores=(chosen.value, prompt.value))
    gap = f"{above} {point_label(prompt)} ({prompt.value:.1f}), the best prompt"
    gap += doubt_words(against, tests=tests)
    match decision.worth:
        case Worth.BETTER:
            return f"Tune {tuned_words(chosen)}: {score}, {gap}"
        case Worth.WORSE:
            return f"Do not tune on this data: {subject_words(chosen)} score {score}, {gap}"
        case _:
            return (
                "Tuning is not shown to differ from prompting: "
                f"{subject_words(chosen)} score {score}, {gap}"
            )


def _sizes(analysis: Analysis) -> Iterable[str]:
    """Yield what the other sizes add: break-even, the highest score, a fall."""
    decision = analysis.decision
    start, chosen = decision.beats_prompt_from, decision.recommended
    if start is not None and chosen is not None and start != chosen.train_size:
        yield f"the smallest size shown to beat it is {start:,}"
    yield from _break_even(analysis.curve)
    yield from _best_size(decision, tests=len(analysis.comparisons))
    if decision.fall is not None:
        yield (
            f"more data made it worse: {decision.fall.second} is {gap_words(decision.fall, -1)} "
            f"{decision.fall.first}"
        )


def _break_even(curve: LearningCurve) -> Iterable[str]:
    """Yield where the fitted curve passes the best prompt, unless the smallest size is above it."""
    fit = curve.fit
    if fit is None or fit.crossing is None:
        return
    low = fit.break_even_low or fit.sizes[0]
    high = (
        f"{fit.break_even_high:,.0f}]"
        if fit.break_even_high
        else f"more than {fit.sizes[-1]:,.0f}]"
    )
    yield f"the fitted curve passes the best prompt near {fit.crossing:,.0f} [{low:,.0f}, {high}"


def _best_size(decision: Decision, *, tests: int) -> Iterable[str]:
    """Yield how the recommended size stands beside the best one: as good, or not known."""
    chosen, best, against = decision.recommended, decision.best, decision.against_best
    if chosen is None or best is None or against is None:
        return
    gap, tolerance = range_words(against), f"the tolerance of {decision.tolerance:g}"
    size = f"{best.train_size:,} examples ({best.value:.1f})"
    if decision.basis is SizeBasis.AS_GOOD:
        yield f"it is as good as {size} within {tolerance} {gap}"
    elif against.is_shown:
        yield f"{size} are better {gap}, not shown to be by more than {tolerance}"
    else:
        most = (
            f", so {chosen.train_size:,} may lose up to {against.high:.1f}" if against.high else ""
        )
        yield f"{size} are not shown to be better {gap}{doubt_words(against, tests=tests)}{most}"


def _sweep(analysis: Analysis) -> Iterable[str]:
    """Yield what a hyperparameter sweep found: the best configuration, and how sure that is."""
    curve = analysis.curve
    everyone = [
        each for each in (*curve.points, *curve.others) if each.base_model == curve.base_model
    ]
    configurations = {each.configuration for each in everyone if each.value is not None}
    if len(configurations) < 2:  # noqa: PLR2004 - nothing was swept
        return
    tuned = {each.name for each in everyone}
    level = [each.name for each in analysis.ranking if each.name in tuned and not each.is_worse]
    chosen = configuration_words(curve.points[0].configuration)
    expected = analysis.score_of_best
    words = "" if expected is None else f", expected to score {expected:.1f} on new rows"
    yield (
        f"of {len(configurations)} configurations the best is {chosen}{words}; "
        f"{len(level) - 1:,} of {len(tuned):,} tuned variants are not shown to be worse"
    )


def _extension(analysis: Analysis) -> Iterable[str]:
    """Yield that earlier variants are compared once more, among more of them."""
    if analysis.extends is not None:
        yield (
            f"this extends {analysis.extends}: the {len(analysis.comparisons)} comparisons of all "
            "its variants are adjusted together, so what was shown there may not be shown here"
        )


def _luck(analysis: Analysis) -> Iterable[str]:
    curve, is_subset = analysis.curve, analysis.replicate_by == "subset"
    if curve.tuning_error_measured:
        again = (
            "a tuning on other rows of this dataset" if is_subset else "the same tuning once more"
        )
        yield (
            f"{again} scores {curve.tuning_error:.1f} higher or lower (standard deviation, apart "
            "from the luck of the test rows)"
        )


def _passes(curve: LearningCurve) -> Iterable[str]:
    """Yield that sizes were tuned with so different epochs that the curve mixes two things."""
    known = {each.train_size or 0: each.epochs for each in curve.points if each.epochs}
    if not known or max(known.values()) <= _EPOCHS_ALIKE * min(known.values()):
        return
    listed = ", ".join(f"{epochs} at {size:,}" for size, epochs in sorted(known.items()))
    seen = [size * epochs for size, epochs in known.items()]
    if max(seen) <= _ROWS_ALIKE * min(seen):
        yield f"every size saw about as many rows, by more epochs where it is small ({listed})"
        return
    yield (
        f"epochs differ ({listed}), so the curve mixes size with passes: `epochs: matched` does not"
    )


def _outlook(curve: LearningCurve) -> str:
    if curve.verdict is Verdict.TOO_FEW_SIZES:
        sizes = len([point for point in curve.points if point.value is not None])
        noun = "size" if sizes == 1 else "sizes"
        return f"{sizes} {noun} cannot show whether more data would still help"
    if curve.fit is None or curve.verdict is Verdict.UNDECIDED:
        return "whether more data would still help is undecided"
    fit = curve.fit
    gain = f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]"
    chance = f"{fit.small_gain_probability:.0%}"
    if curve.verdict is Verdict.PLATEAU:
        return (
            f"the curve has flattened: with {chance} probability one more doubling gains less "
            f"than {curve.worthwhile_gain:g} (estimated {gain})"
        )
    if curve.verdict is Verdict.FLAT:
        return "no size is shown to score more than the smallest or a prompt, so this is no plateau"
    return f"the curve is still rising (estimated gain of one more doubling {gain})"


def _costs(analysis: Analysis) -> Iterable[str]:
    """Yield what the calls of the tuned model cost beside the best prompt's."""
    decision = analysis.decision
    if decision.candidate is None or decision.best_prompt is None:
        return
    tuned = analysis.costs.get(decision.candidate.name)
    prompt = analysis.costs.get(decision.best_prompt.name)
    if tuned is None or prompt is None or None in (tuned.per_thousand, prompt.per_thousand):
        if names := unpriced(analysis.costs):
            yield f"costs are not compared: no price is known for calls of {', '.join(names)}"
        return
    start = analysis.pays_off_from
    paid = f", which pays for its tuning in a month of about {about(start)} calls" if start else ""
    yield (
        f"1,000 calls cost {price_words(tuned.per_thousand)} dollars tuned and "
        f"{price_words(prompt.per_thousand)} with {point_label(decision.best_prompt)}{paid}"
    )


def _next(analysis: Analysis) -> Iterable[str]:
    """Yield what would decide what is open, with its price."""
    for step in analysis.next_steps:
        cost = "" if step.cost_nano is None else f" ({dollar_words(step.cost_nano)} dollars)"
        if step.decides == "size":
            yield f"about {about(step.amount)} more test rows{cost} would tell the two sizes apart"
        elif step.kind == "test_rows":
            rows = about(step.amount)
            yield f"about {rows} more test rows{cost} would show a difference of this size"
        elif step.kind == "replicates":
            yield f"{step.amount} more tunings of each size{cost} would tell their luck from a gain"
        elif analysis.curve.verdict is not Verdict.STILL_RISING:
            yield f"{step.amount:,} more labelled rows{cost} would tell whether more data helps"
        else:
            yield f"{step.amount:,} more labelled rows{cost} would be the next step"


def _gaps(analysis: Analysis) -> Iterable[str]:
    """Yield what is missing under the answer: scores, rows, groups."""
    curve, decision = analysis.curve, analysis.decision
    rivals = (point for rival in analysis.rivals for point in rival.points)
    everyone = (*curve.baselines, *curve.points, *rivals)
    missing = [point.name for point in everyone if point.value is None]
    if missing:
        yield f"no score for {', '.join(missing)}"
    thin = [point for point in everyone if point.coverage < FULL_COVERAGE]
    partly = [_partly(point) for point in thin if point.value is not None]
    if partly:
        yield f"not every row was scored for {', '.join(partly)}"
    against = decision.against_prompt
    if against is not None and against.groups < FEW_GROUPS:
        yield f"this rests on {against.groups} groups of test rows, too few to rely on"


def _partly(point: Point) -> str:
    bounds = (
        f", so between {point.worst:.1f} and {point.best:.1f}"
        if point.worst is not None and point.best is not None
        else ""
    )
    return f"{point.name} ({point.coverage:.1%}{bounds})"


def _untuned(prompt: Point | None, *, title: str) -> str:
    if prompt is None:
        return "Nothing could be scored, so there is no answer yet"
    return (
        "No tuned model could be scored; the best prompt, "
        f"{point_label(prompt)}, scores {_score_words(prompt, title=title)}"
    )


def _score_words(point: Point, *, title: str) -> str:
    interval = (
        f"[{point.low:.1f}, {point.high:.1f}]"
        if point.low is not None and point.high is not None
        else "(no interval)"
    )
    return f"{point.value:.1f} {title} {interval}"
