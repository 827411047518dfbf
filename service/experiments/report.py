"""The report of an experiment: one HTML page that needs nothing else, and rows for export."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from service.evaluation.metrics.registry import METRICS
from service.evaluation.scores import FULL_COVERAGE
from service.experiments.curve import LearningCurve, Point, Verdict, answer
from service.experiments.plot import draw_curve, interval_words

SYNTHETIC_NOTICE = "SYNTHETIC: produced by the Tunecurve emulator, not by Gemini"
LEAKY_NOTICE = "LEAKS: test rows are known to leak into training, so these scores flatter"

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --muted: #57606a;
  --grid: #d8dee4; --tuned: #0b62c4; --band: #0b62c4; --prompt: #8a4b00; --warn: #8f1d1d;
  --warn-paper: #ffe9e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117;
  --muted: #9da7b1; --grid: #30363d; --tuned: #6cb0ff; --band: #6cb0ff; --prompt: #f0b062;
  --warn: #ffb3a8; --warn-paper: #3d1513; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.notice { border: 2px solid var(--warn); color: var(--warn); background: var(--warn-paper);
  padding: .6rem .9rem; font-weight: 700; }
.answer { font-size: 1.15rem; } .note, figcaption, .muted { color: var(--muted); }
figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; display: block; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg text.muted { fill: var(--muted); } svg text.warning { fill: var(--warn); font-weight: 700; }
.grid { stroke: var(--grid); } .axis { stroke: var(--muted); }
.leader { stroke: var(--muted); opacity: .5; }
.prompt { stroke: var(--prompt); stroke-width: 1.6; } line.tuned { stroke: var(--tuned); }
line.tuned { stroke-width: 1.6; } circle.tuned { fill: var(--tuned); }
.band { fill: var(--band); opacity: .16; }
.fit { fill: none; stroke: var(--band); stroke-width: 1.6; opacity: .8; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding-bottom: .4rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--grid); text-align: right; }
th:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
"""

_VERDICTS = {
    Verdict.PLATEAU: "Plateau: one more doubling of the data is not shown to improve the score "
    "by half a point in a hundred. Curves that look flat do rise again at times.",
    Verdict.STILL_RISING: "Still rising: by the fit, one more doubling of the data improves the "
    "score by more than half a point in a hundred. It is an estimate, not a promise.",
    Verdict.UNDECIDED: "Undecided: the scores allow both a worthwhile gain from one more doubling "
    "of the data and none.",
    Verdict.TOO_FEW_SIZES: "Too few sizes: a curve needs at least three training sizes with a "
    "score.",
}

_COVERAGE_NOTE = (
    '<p class="note">Coverage is the share of test rows with an answer; bounds are the scores '
    "if every missing answer were the worst or the best.</p>"
)
_NOTHING = '<span class="muted">none</span>'


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """How many rows came in and stayed; `dropped` counts the others by reason."""

    id: str
    rows: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that the page says. `ids` names what it was made from (`job`, `evaluation of ...`)."""

    experiment_id: str
    title: str
    curve: LearningCurve
    dataset: DatasetFacts
    base_model: str
    seed: int
    synthetic: bool
    created_at: datetime
    leaky: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)


def render_report(report: ReportData) -> str:
    """Return the page: no script, no address to fetch, every value escaped."""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(_page_title(report))}</title>\n<style>{_STYLE}</style>",
            f"</head>\n<body>\n<main>\n<h1>{escape(report.title)}</h1>",
            _notice(SYNTHETIC_NOTICE) if report.synthetic else "",
            _notice(LEAKY_NOTICE) if report.leaky else "",
            f'<p class="answer">{escape(answer(report.curve))}</p>',
            f"<p>{escape(_verdict(report.curve))}</p>",
            _figure(report),
            _table(report.curve),
            _facts("Dataset", _dataset(report.dataset)),
            _facts("How it was made", _making(report)),
            "</main>\n</body>\n</html>\n",
        ]
    )


def curve_rows(
    curve: LearningCurve, *, experiment_id: str, synthetic: bool
) -> list[dict[str, Any]]:
    """Return one row for each variant, baselines first, in columns fit for Parquet and JSON."""
    head = {"experiment_id": experiment_id, "metric": curve.metric, "synthetic": synthetic}
    points = (*curve.baselines, *curve.points)
    return [{**head, **asdict(point), "kind": point.kind.value} for point in points]


def _page_title(report: ReportData) -> str:
    mark = "[SYNTHETIC] " if report.synthetic else ""
    return f"{mark}{report.title}: learning curve"


def _notice(words: str) -> str:
    return f'<p class="notice" role="note">{words}</p>'


def _verdict(curve: LearningCurve) -> str:
    fit = curve.fit
    if fit is None:
        return _VERDICTS[curve.verdict]
    gain = f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]"
    return f"{_VERDICTS[curve.verdict]} Estimated gain of one more doubling: {gain}."


def _figure(report: ReportData) -> str:
    plot = draw_curve(report.curve, synthetic=report.synthetic)
    if not plot:
        return "<p>No variant has a score, so there is nothing to plot.</p>"
    fitted = (
        " Line and band: averaged fit and the central 90 % of its draws, up to twice the largest "
        "size; on public curves such bands held the later score in about 75 % of cases."
    )
    caption = (
        "Dots: tuned models. Dashed lines: prompts without tuning. Bars: 95 % intervals by "
        f"bootstrap over groups of the test rows.{fitted if report.curve.fit else ''}"
    )
    return f"<figure>\n{plot}\n<figcaption>{caption}</figcaption>\n</figure>"


def _table(curve: LearningCurve) -> str:
    title = METRICS.find(curve.metric).title
    points = (*curve.baselines, *curve.points)
    heads = ["Variant", "Training examples", title, "95 % interval", "Coverage", "Rows scored"]
    bounded = any(point.worst is not None for point in points)
    heads += ["Bounds"] if bounded else []
    header = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    rows = "\n".join(_table_row(point, bounded=bounded) for point in points)
    return (
        '<h2>Variants</h2>\n<div class="scroll"><table>\n'
        f"<caption>Scores on the same test rows</caption>\n<thead><tr>{header}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table></div>\n{_COVERAGE_NOTE if _is_thin(points) else ''}"
    )


def _is_thin(points: Iterable[Point]) -> bool:
    return any(point.coverage < FULL_COVERAGE for point in points)


def _table_row(point: Point, *, bounded: bool) -> str:
    cells = [
        "" if point.train_size is None else f"{point.train_size:,}",
        "no score" if point.value is None else f"{point.value:.1f}",
        interval_words(point),
        f"{point.coverage:.1%}",
        f"{point.n:,}",
        *([_bounds(point)] if bounded else []),
    ]
    data = "".join(f"<td>{escape(cell) or _NOTHING}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(point.name)}</th>{data}</tr>'


def _bounds(point: Point) -> str:
    if point.worst is None or point.best is None:
        return ""
    return f"{point.worst:.1f} to {point.best:.1f}"


def _facts(title: str, facts: Iterable[tuple[str, str]]) -> str:
    pairs = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<h2>{escape(title)}</h2>\n<dl>\n{pairs}\n</dl>"


def _dataset(dataset: DatasetFacts) -> Iterable[tuple[str, str]]:
    yield "Dataset", dataset.id
    yield "Rows", f"{dataset.rows:,}"
    yield "Kept", f"{dataset.kept:,}"
    yield "Dropped", f"{dataset.rows - dataset.kept:,}"
    for reason, count in dataset.dropped.items():
        yield f"Dropped: {reason}", f"{count:,}"


def _making(report: ReportData) -> Iterable[tuple[str, str]]:
    yield "Experiment", report.experiment_id
    yield "Base model", report.base_model
    yield "Metric", f"{METRICS.find(report.curve.metric).title} ({report.curve.metric})"
    yield "Seed", str(report.seed)
    yield "Made at", report.created_at.isoformat(timespec="seconds")
    yield from report.ids.items()
