"""The page of an experiment: one HTML file that needs nothing else. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from service.datasets.drops import reason_words
from service.datasets.report.masking import mask
from service.evaluation.metrics.registry import find_score
from service.evaluation.statistics.comparison import FULL_COVERAGE
from service.evaluation.statistics.power import detectable_difference
from service.experiments.analysis import Analysis
from service.experiments.answer import answer_clauses
from service.experiments.decisions.decision import Decision
from service.experiments.decisions.front import unpriced
from service.experiments.learning_curve.curve import LearningCurve, Verdict
from service.experiments.report.data import DatasetFacts, ReportData, VariantDetails
from service.experiments.report.page_tables import (
    CONFIDENCE_HEADS,
    CURVE_HEADS,
    JUDGE_HEADS,
    Cells,
    confidence_rows,
    confusion_tables,
    curve_rows,
    field_rows,
    finding_rows,
    judge_rows,
    overfitting_rows,
    suspect_rows,
    variant_table,
)
from service.experiments.report.plots import draw_curve, draw_front
from service.experiments.report.row_examples import RowExample, RowFindings
from service.experiments.report.svg import CANVASES
from service.experiments.report.word_diff import Edit, diff_words
from service.experiments.words import about
from service.pages.templates import render_page
from service.tuning.curves.overfitting import FEW_POINTS
from service.tuning.ports import NOT_OBSERVED

SYNTHETIC_NOTICE = "SYNTHETIC: produced by the Tunecurve emulator, not by Gemini"
UNLISTED_NOTICE = "UNLISTED: the base model is unknown to the catalogue, or retired"
FAR_NOTICE = (
    "The curve is drawn to {times:.3g} times the largest size: beyond twice it is a guess, whose "
    "error public curves show to be several points more often than the band says."
)
TRUSTED_AHEAD = 2.01  # times the largest size, with room for rounding
LEAKY_NOTICE = "LEAKS: test rows are known to leak into training, so these scores flatter"
_VERDICTS = {
    Verdict.PLATEAU: "Plateau: with a probability of at least 90 %, one more doubling of the data "
    "gains less than is worthwhile. Curves that look flat do rise again at times.",
    Verdict.STILL_RISING: "Still rising: with a probability of at least 90 %, one more doubling of "
    "the data gains more than is worthwhile. It is an estimate, not a promise.",
    Verdict.FLAT: "Flat: no size is shown to score more than the smallest one or a prompt. This is "
    "no plateau, which needs a rise before it: with more data it may begin to learn.",
    Verdict.UNDECIDED: "Undecided: the scores allow both a worthwhile gain from one more doubling "
    "of the data and none.",
    Verdict.TOO_FEW_SIZES: "Too few sizes: a curve needs at least three training sizes with a "
    "score.",
}

Shown = Callable[[str], str]


def render_report(report: ReportData, *, revealed: bool = False) -> str:
    """Return the page: no script, no address to fetch, every value escaped.

    Texts of rows are masked, as far as patterns find personal data, unless they are `revealed`.
    """
    curve = report.analysis.curve
    shown = str if revealed else partial(mask, common=report.common)
    caption, heads, rows = variant_table(report)
    return render_page(
        "service.experiments.report",
        "page.html",
        report=report,
        curve=curve,
        clauses=answer_clauses(report.analysis),
        verdict=_VERDICTS[curve.verdict] + _far_ahead(curve),
        curves=_drawn(draw_curve, report),
        marked=_marked_words(report.analysis.decision),
        fronts=_drawn(draw_front, report),
        curve_heads=CURVE_HEADS,
        curve_rows=curve_rows(report.analysis),
        caption=caption,
        heads=heads,
        rows=rows,
        partial=any(point.coverage < FULL_COVERAGE for point in report.points),
        synthetic_notice=SYNTHETIC_NOTICE,
        leaky_notice=LEAKY_NOTICE,
        unlisted_notice=UNLISTED_NOTICE,
        documented_notice=f"Tuned by preference: {NOT_OBSERVED}",
        sure_heads=CONFIDENCE_HEADS,
        sure=list(confidence_rows(report)),
        judge_heads=JUDGE_HEADS,
        judged=list(judge_rows(report)),
        choice=_choice(report.analysis),
        lists=_row_lists(report.rows, shown),
        fields=field_rows(report.rows),
        confusions=list(confusion_tables(report)),
        findings=list(finding_rows(report)),
        overfitted=list(overfitting_rows(report)),
        inconclusive=[name for name, each in report.variants.items() if each.has_few_points],
        few_points=FEW_POINTS,
        suspects=suspect_rows(report, shown),
        dataset_facts=_dataset(report.dataset),
        provenance=_provenance(report),
        prompts=list(_prompts(report, shown)),
        revealed=revealed,
    )


def _far_ahead(curve: LearningCurve) -> str:
    """Warn of a band that reaches beyond twice the largest size."""
    if curve.fit is None:
        return ""
    times = curve.fit.sizes[-1] / max(point.train_size or 0 for point in curve.points)
    return f" {FAR_NOTICE.format(times=times)}" if times > TRUSTED_AHEAD else ""


def _marked_words(decision: Decision) -> str:
    """Say what the upright lines of the plot are; empty without any."""
    chosen = decision.recommended and decision.recommended.train_size
    start = decision.beats_prompt_from
    if chosen and start and start != chosen:
        return "lines: the size that is recommended, and the smallest one shown to beat the prompt"
    if chosen and start:
        return "line: the size that is recommended, the smallest one shown to beat the best prompt"
    return "line: the size that is recommended" if chosen else ""


def _drawn(draw: Callable[..., str], report: ReportData) -> list[str]:
    """Draw a plot for wide and for narrow screens."""
    return [draw(report.analysis, canvas, synthetic=report.synthetic) for canvas in CANVASES]


def _choice(analysis: Analysis) -> Iterable[tuple[str, str]]:
    """Yield what helps to choose: the front, the luck of the best, what the rows can show."""
    decision = analysis.decision
    if analysis.front is None:
        names = ", ".join(unpriced(analysis.costs))
        yield "Worth choosing", f"not said: no price is known for calls of {names or 'a variant'}"
    else:
        yield "Worth choosing by score and cost", ", ".join(analysis.front)
    if analysis.score_of_best is not None:
        words = "the highest score less its luck in being the highest"
        yield "Best variant on new rows", f"{analysis.score_of_best:.1f}: {words}"
    against = decision.against_prompt
    tests = len(analysis.comparisons)
    least = detectable_difference(against, tests=tests) if against else None
    if least is not None and against is not None:
        rows = f"{against.rows:,} test rows in {against.groups:,} groups"
        words = f"{least:.1f}, in four of five experiments with {rows} and {tests} comparisons"
        yield "Least difference to be shown", words
    if analysis.pays_off_from is not None:
        yield "Tuning paid in a month from", f"about {about(analysis.pays_off_from)} calls"


@dataclass(frozen=True, slots=True)
class _ShownRow:
    """A test row as the page has it; `edits` lead from the reference to the answer."""

    head: str
    input: str
    edits: Sequence[Edit]
    prompt_edits: Sequence[Edit]


def _row_lists(rows: RowFindings | None, shown: Shown) -> list[tuple[str, list[_ShownRow]]]:
    """Return titled lists of rows: those that tuning broke, and those that score least."""
    if rows is None:
        return []
    lists = [
        (f"Right with {rows.prompt}, wrong with {rows.variant}", rows.regressions),
        (f"The lowest scores of {rows.variant}", rows.worst),
    ]
    return [(title, [_shown_row(each, shown) for each in found]) for title, found in lists if found]


def _shown_row(row: RowExample, shown: Shown) -> _ShownRow:
    earned = "" if row.earned is None else f", score {row.earned:.1f}"
    before = "" if row.prompt_earned is None else f" (with the prompt {row.prompt_earned:.1f})"
    prompted = row.prompt_answer
    return _ShownRow(
        head=f"Row {row.position}{earned}{before}",
        input=shown(row.input),
        edits=diff_words(row.expected, row.answer, shown=shown),
        prompt_edits=() if prompted is None else diff_words(row.expected, prompted, shown=shown),
    )


def _prompts(report: ReportData, shown: Shown) -> Iterator[tuple[str, Any, Cells]]:
    """Yield what was sent, once for all variants that were sent the same: names, turns, facts."""
    prompted = [(name, each) for name, each in report.variants.items() if each.prompt]
    for _, same in groupby(prompted, key=lambda pair: pair[1].prompt):
        group = list(same)
        details = group[0][1]
        if details.prompt is not None:
            names = ", ".join(name for name, _ in group)
            yield names, details.prompt.turns(shown), list(_setup(details))


def _setup(details: VariantDetails) -> Iterator[tuple[str, str]]:
    setup = details.setup
    if setup is None:
        return
    decoding = setup.decoding
    yield "Temperature", f"{decoding.temperature:g}"
    yield "Longest answer", f"{decoding.max_output_tokens:,} tokens"
    yield "Samples", f"{decoding.samples}"
    if setup.shot_selection is not None:
        yield "Shots", f"{setup.shot_selection.value}: {', '.join(setup.shot_ids) or 'by row'}"
    yield "Answers read as", f"{setup.answers}; {setup.extraction or 'the whole answer'}"
    yield "Normal form", f"{setup.normalisation}: {'; '.join(setup.normalisation_steps) or 'as is'}"


def _dataset(dataset: DatasetFacts) -> Iterable[tuple[str, str]]:
    yield "Dataset", dataset.id
    yield "Rows", f"{dataset.rows:,}"
    yield "Kept", f"{dataset.kept:,}"
    yield "Dropped", f"{dataset.rows - dataset.kept:,}"
    for reason, count in dataset.dropped.items():
        yield f"Dropped: {reason_words(reason)}", f"{count:,}"


def _provenance(report: ReportData) -> Iterable[tuple[str, str]]:
    yield "Experiment", report.experiment_id
    yield "Base model", report.base_model
    metric = report.analysis.curve.metric
    yield "Metric", f"{find_score(metric).title} ({metric})"
    yield "Seed", str(report.seed)
    yield "Made at", f"{report.created_at:%Y-%m-%d %H:%M} UTC"
    yield from ((name[:1].upper() + name[1:], value) for name, value in report.ids.items())
