"""The tables of the page in words: variants, learning curves, what the confidence of answers and
judges by a rubric are worth, and what is odd about answers. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from service.evaluation.judges.reports import Estimate, JudgeReport
from service.evaluation.metrics.registry import find_score
from service.evaluation.schemas import Score
from service.evaluation.scoring.confidence import Automation, ConfidenceReport
from service.experiments.analysis import Analysis
from service.experiments.decisions.decision import rank
from service.experiments.learning_curve.curve import LearningCurve, Point
from service.experiments.report.data import ReportData, VariantDetails
from service.experiments.report.plots import interval_words, score_words
from service.experiments.report.row_examples import RowFindings
from service.experiments.words import difference_words, model_words, rank_words
from service.money import dollar_words, price_words

_NONE = VariantDetails()
CURVE_HEADS = ("Base model", "Best size", "Score", "More data", "Gain of one more doubling")
CONFIDENCE_HEADS = ("Variant", "Confidence", "Rows", "Calibration error", "AUROC", "Go out unseen")
JUDGE_HEADS = (
    "Variant",
    "Judge",
    "Rows",
    "Retest kappa",
    "Position bias",
    "Score and length",
    "Labelled",
    "Kappa to people",
    "Leniency",
    "Length bias",
    "Score people would give",
    "Caution",
)
MATRIX_LABELS = 12  # more make an unreadable matrix: then the commonest confusions are listed
CONFUSIONS = 20
SUSPECTS = 20  # rows with a perhaps wrong label; the table has more
_SAYS_NOTHING = frozenset({"", "unknown"})
_SHARED = ("Coverage", "Rows scored", "Groups")  # said once where all variants have the same

Cells = Sequence[Any]


def variant_table(report: ReportData) -> tuple[str, list[str], list[list[str]]]:
    """Return caption, heads and rows; a column that says nothing of any variant is left out."""
    points = report.points
    rows = [{"Variant": point.name, **_variant_cells(report, point)} for point in points]
    shared = [] if any(len({row[name] for row in rows}) > 1 for name in _SHARED) else _SHARED
    said = {name: {row[name] for row in rows} - _SAYS_NOTHING for name in rows[0]}
    heads = [name for name, words in said.items() if words and name not in shared]
    caption = _caption(points[0]) if shared else "Scores on the same test rows"
    return caption, heads, [[row[name] for name in heads] for row in rows]


def _caption(point: Point) -> str:
    groups = "" if point.groups in {None, point.n} else f" in {point.groups:,} groups"
    return f"Scores on the same {point.n:,} test rows{groups}, coverage {point.coverage:.1%}"


def _variant_cells(report: ReportData, point: Point) -> dict[str, str]:
    """Return what stands in a variant's row after its name, by column."""
    analysis = report.analysis
    cost = analysis.costs.get(point.name)
    details = report.variants.get(point.name, _NONE)
    return {
        "Base model": model_words(point.base_model) if point.base_model else "",
        "Training examples": "" if point.train_size is None else f"{point.train_size:,}",
        "Configuration": point.configuration,
        "Epochs": "" if point.epochs is None else f"{point.epochs}",
        find_score(analysis.curve.metric).title: (
            "no score" if point.value is None else f"{point.value:.1f}"
        ),
        "95 % interval": interval_words(point),
        "Against the best prompt": difference_words(point, analysis.decision, analysis.comparisons),
        "Rank, and below the best": rank_words(point, analysis) if analysis.curve.is_swept else "",
        **_other_scores(report, details),
        "Dollars per 1,000 calls": price_words(cost.per_thousand) if cost else "",
        "Tuning, dollars": dollar_words(cost.tuning) if cost and point.train_size else "",
        "Tokens in and out": (
            f"{cost.prompt_tokens:,.0f} + {cost.output_tokens:,.0f}" if cost else ""
        ),
        "Median latency, ms": (
            f"{cost.latency_ms:,}" if cost and cost.latency_ms is not None else ""
        ),
        "Coverage": f"{point.coverage:.1%}",
        "Bounds": _bounds(point),
        "Rows scored": f"{point.n:,}",
        "Groups": "not known" if point.groups is None else f"{point.groups:,}",
    }


def _other_scores(report: ReportData, details: VariantDetails) -> dict[str, str]:
    """Return the scores by the other metrics, each with its interval."""
    names = {score.metric for each in report.variants.values() for score in each.scores}
    found = {score.metric: score for score in details.scores}
    return {find_score(name).title: _score(found.get(name)) for name in sorted(names)}


def _score(score: Score | None) -> str:
    if score is None or score.value is None:
        return ""
    if score.low is None or score.high is None:
        return f"{score.value:.1f}"
    return f"{score.value:.1f} [{score.low:.1f}, {score.high:.1f}]"


def _bounds(point: Point) -> str:
    if point.worst is None or point.best is None:
        return ""
    return f"{point.worst:.1f} to {point.best:.1f}"


def curve_rows(analysis: Analysis) -> list[list[str]]:
    """Return a row for each base model; none where one alone was tuned."""
    curves = (analysis.curve, *analysis.rivals) if analysis.rivals else ()
    return [_curve_cells(each) for each in curves]


def _curve_cells(curve: LearningCurve) -> list[str]:
    best = next(iter(rank(curve.points, spec=find_score(curve.metric))), None)
    fit = curve.fit
    return [
        model_words(curve.base_model),
        f"{best.train_size:,}" if best else "",
        score_words(best) if best else "no score",
        curve.verdict.value,
        f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]" if fit else "",
    ]


def confidence_rows(report: ReportData) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each variant and source of confidence."""
    for name, details in report.variants.items():
        for each in details.confidence:
            yield (
                name,
                each.source.value,
                f"{each.rows:,}",
                "" if each.ece is None else f"{each.ece:.3f}",
                "" if each.auroc is None else f"{each.auroc:.3f}",
                _unseen(each),
            )


def _unseen(report: ConfidenceReport) -> str:
    if not report.used:
        return f"not used: {report.caution}"
    return "; ".join(map(_automation_words, report.automation))


def _automation_words(found: Automation) -> str:
    """Return what can go out unseen for people, such as "41% [36%, 46%] at 95 % right"."""
    promise = f"{100 * found.target:g} % {found.goal.replace('_', ' ')}"
    if found.precision is None:
        return f"none at {promise}"
    share = f"{found.share:.0%} [{found.share_low:.0%}, {found.share_high:.0%}]"
    return f"{share} at {promise} (found {found.precision:.1%})"


def judge_rows(report: ReportData) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each variant that a model has judged."""
    for name, details in report.variants.items():
        if details.judge is not None:
            yield (name, *_judge_cells(details.judge))


def caution_words(judge: JudgeReport) -> str:
    """Return what speaks against a judge, and against its comparison with people."""
    beside = judge.calibration
    notes = (judge.caution, beside.caution if beside else "no rows were labelled by people")
    return "; ".join(filter(None, notes))


def _judge_cells(judge: JudgeReport) -> Iterator[str]:
    beside = judge.calibration
    yield f"{judge.model}, {judge.mode.value}{', of the same family' if judge.same_family else ''}"
    yield f"{judge.rows:,}"
    yield "" if judge.retest_kappa is None else f"{judge.retest_kappa:.2f}"
    yield _estimate_words(judge.position_bias)
    yield _estimate_words(judge.length_correlation)
    yield f"{beside.rows:,}" if beside else "none"
    for each in ("kappa", "leniency", "length_bias", "corrected"):
        yield _estimate_words(getattr(beside, each)) if beside else ""
    yield caution_words(judge)


def _estimate_words(found: Estimate) -> str:
    """Return an estimate with its interval for people; "" where nothing is known."""
    if found.value is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def field_rows(rows: RowFindings | None) -> list[Cells]:
    """Return of each field of JSON answers how many rows have it, and the share that is right."""
    return [
        [each.field, each.rows, _share(each.right, each.rows), _share(each.prompt_right, each.rows)]
        for each in (rows.fields if rows else ())
    ]


def _share(part: int | None, whole: int) -> str:
    return "" if part is None or not whole else f"{part / whole:.1%}"


def confusion_tables(report: ReportData) -> Iterator[tuple[str, list[str], Sequence[Cells]]]:
    """Yield a table for each variant whose answers are labels: its matrix, or what it confuses."""
    for name, details in report.variants.items():
        matrix = details.confusion
        if matrix is None or report.rows is None or name not in _compared(report.rows):
            continue
        answered = [*matrix.labels, *sorted({each.answered for each in matrix.cells})]
        columns = list(dict.fromkeys(answered))
        if len(matrix.labels) <= MATRIX_LABELS:
            cells = {(each.expected, each.answered): each.rows for each in matrix.cells}
            rows = [
                [label, *(str(cells.get((label, column), 0)) for column in columns)]
                for label in matrix.labels
            ]
            yield f"{name}: expected below, answered across", ["Expected", *columns], rows
        else:
            wrong = [each for each in matrix.cells if each.expected != each.answered]
            found = [[each.expected, each.answered, each.rows] for each in wrong[:CONFUSIONS]]
            yield f"{name}: the commonest confusions", ["Expected", "Answered", "Rows"], found


def _compared(rows: RowFindings) -> set[str | None]:
    return {rows.variant, rows.prompt}


def finding_rows(report: ReportData) -> Iterator[Cells]:
    for name, details in report.variants.items():
        for each in details.findings:
            yield name, each.message, each.rows, f"{each.share:.1%}"


def overfitting_rows(report: ReportData) -> Iterator[Cells]:
    for name, details in report.variants.items():
        found = details.overfitting
        if found is not None:
            steps = f"{found.best_step:,}", f"{found.last_step:,}"
            losses = f"{found.best_loss:.3f}", f"{found.last_loss:.3f}"
            yield name, *steps, *losses, f"{found.rise:.0%}"


def suspect_rows(report: ReportData, shown: Callable[[str], str]) -> list[Cells]:
    found = report.label_errors.data if report.label_errors else ()
    return [
        [
            f"row {each.row:,}",
            shown(each.label),
            shown(each.suggested),
            f"{each.votes} of {each.models}",
            f"{each.evidence:.1f}",
        ]
        for each in found[:SUSPECTS]
    ]
