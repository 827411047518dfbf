"""Base models and differences of an experiment, in words for its sentences and tables."""

from collections.abc import Iterable, Sequence

from service.catalogue.local_names import provider_of, short_name
from service.evaluation.metrics.registry import find_score
from service.evaluation.statistics.comparison import SIGNIFICANCE, Comparison
from service.experiments.analysis import Analysis
from service.experiments.decisions.decision import Decision, PairedComparisons, rank
from service.experiments.decisions.laps import RaceResult
from service.experiments.learning_curve.curve import Point
from service.money import dollar_words

_ROUNDING = 0.1  # of two scores with one decimal each


def difference_words(point: Point, decision: Decision, comparisons: Sequence[Comparison]) -> str:
    """Return a variant's difference to the best prompt for a table, such as "+5.2 [2.2, 8.4]"."""
    if decision.best_prompt is not None and point.name == decision.best_prompt.name:
        return "the best prompt"
    found = PairedComparisons(comparisons).find(point, decision.best_prompt)
    if found is None or decision.best_prompt is None:
        return ""
    doubt = "" if found.is_shown else ", not shown"
    gap = _gap(found.difference, (point.value, decision.best_prompt.value))
    return range_words(found, gap=gap).strip("()") + doubt


def rank_words(point: Point, analysis: Analysis) -> str:
    """Return a variant's rank with its difference to the best, such as "3: 5.2 [2.2, 8.4]"."""
    ranked = next((each for each in analysis.ranking if each.name == point.name), None)
    if ranked is None:
        return ""
    if ranked.to_best is None:
        return str(ranked.rank)
    doubt = "" if ranked.is_worse else ", not shown"
    return f"{ranked.rank}: {range_words(ranked.to_best).strip('()')}{doubt}"


def gap_words(
    found: Comparison, sign: int = 1, *, scores: tuple[float | None, float | None] | None = None
) -> str:
    """Return "5.2 [2.2, 8.4] above": the size of a difference, its interval and its side.

    Beside its two `scores`, rounded as they are shown, it is theirs where only rounding differs:
    67.5 against 67.2 is 0.3 above.
    """
    gap = _gap(sign * found.difference, scores or (None, None))
    if found.low is None or found.high is None:
        return f"{abs(gap):.1f} {'above' if gap >= 0 else 'below'}"
    ends = sorted((found.low, found.high) if found.difference >= 0 else (-found.low, -found.high))
    side = "above" if gap >= 0 else "below"
    return f"{abs(gap):.1f} [{ends[0]:.1f}, {ends[1]:.1f}] {side}"


def _gap(difference: float, scores: tuple[float | None, float | None]) -> float:
    first, second = scores
    if first is None or second is None:
        return difference
    shown = round(round(first, 1) - round(second, 1), 1)
    is_alike = abs(shown - difference) <= _ROUNDING and shown * difference >= 0
    return shown if is_alike else difference


def range_words(found: Comparison, *, gap: float | None = None) -> str:
    interval = (
        f" [{found.low:.1f}, {found.high:.1f}]"
        if found.low is not None and found.high is not None
        else ""
    )
    return f"({found.difference if gap is None else gap:+.1f}{interval})"


def doubt_words(found: Comparison, *, tests: int) -> str:
    """Return why a difference whose interval leaves 0 out is not shown all the same."""
    if found.is_shown or found.low is None or found.high is None or found.low <= 0 <= found.high:
        return ""
    if found.adjusted_p is not None and found.adjusted_p <= SIGNIFICANCE:
        return ", which the rows without an answer could turn"
    return f", not shown as one of {tests} comparisons (p {found.adjusted_p or 1:.2f} after Holm)"


def about(count: int) -> str:
    """Return an estimate for people, in two digits: 34,561 is "35,000"."""
    return f"{float(f'{count:.2g}'):,.0f}"


def point_label(point: Point) -> str:
    return point.name.split(" (")[0]  # the number of shots would stand beside the score


def model_words(base_model: str) -> str:
    """Return a base model with who tunes it, such as "local:gpt2 (local)"."""
    return f"{short_name(base_model)} ({provider_of(base_model)})"


def tuned_words(point: Point) -> str:
    """Return "on 200 examples", with the base model and its provider where several were tuned."""
    on = f"on {point.train_size:,} examples"
    return f"{model_words(point.base_model)} {on}" if point.base_model else on


def subject_words(point: Point) -> str:
    """Return "200 examples", with the base model and its provider where several were tuned."""
    examples = f"{point.train_size:,} examples"
    return f"{examples} for {model_words(point.base_model)}" if point.base_model else examples


def rival_clauses(analysis: Analysis) -> Iterable[str]:
    """Yield how the best size of each other base model stands beside the one that is chosen."""
    chosen, pairs = analysis.decision.candidate, PairedComparisons(analysis.comparisons)
    metric = find_score(analysis.curve.metric)
    for curve in analysis.rivals:
        best = next(iter(rank(curve.points, spec=metric)), None)
        name = model_words(curve.base_model)
        if best is None:
            yield f"{name} has no score"
            continue
        found = pairs.find(best, chosen)
        scores = (best.value, chosen.value) if chosen else None
        gap = f", {gap_words(found, scores=scores)} it" if found else ""
        doubt = ", not shown to differ" if found and not found.is_shown else ""
        yield f"{name} at its best scores {best.value:.1f} on {best.train_size:,}{gap}{doubt}"


def race_clauses(race: RaceResult | None) -> Iterable[str]:
    """Yield what a race has stopped and saved, or why it has not."""
    if race is None:
        return
    if not race.stopped:
        yield _race_without_end(race)
        return
    dollars = f" ({dollar_words(race.saved_nano)} dollars)" if race.saved_nano is not None else ""
    noun = "variant" if len(race.stopped) == 1 else "variants"
    yield (
        f"the race stopped {len(race.stopped)} tuned {noun} early, which saved "
        f"{race.rows_saved:,} calls{dollars}"
    )


def _race_without_end(race: RaceResult) -> str:
    if not race.looks:
        return "the race had nothing to compare: it takes two tuned variants and 50 test rows"
    times = "once" if race.looks == 1 else f"{race.looks} times"
    return (
        f"the race compared the tuned variants {times} before all rows were asked and stopped "
        "none, as none was shown to lose; that cost nothing, as a lap pays only for its own rows"
    )
