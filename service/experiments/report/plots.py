"""The plots of an experiment as SVG: the learning curve, and quality against cost."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import chain, pairwise

from service.catalogue.local_names import short_name
from service.evaluation.metrics.registry import find_score
from service.experiments.analysis import Analysis
from service.experiments.learning_curve.curve import LearningCurve, Point
from service.experiments.learning_curve.fit import CurveFit
from service.experiments.report.prompt_lines import prompt_lines, prompt_names
from service.experiments.report.svg import (
    DASHES,
    LABEL_GAP,
    Canvas,
    Frame,
    drawing,
    line,
    number_axis,
    score_axis,
    score_ticks,
    spread_labels,
    text,
    whisker,
)
from service.money import NANO

_ROOM = 1.25  # of a logarithmic axis, before its first and after its last number


def draw_curve(analysis: Analysis, canvas: Canvas, *, synthetic: bool) -> str:
    """Return the learning curve; empty when no variant has a score.

    Scores against training examples: tuned models with the fitted band, prompts as lines, the
    size that is recommended and the smallest one shown to beat the best prompt.
    """
    curve, rivals = analysis.curve, analysis.rivals
    heights = [height for each in (curve, *rivals) for height in _heights(each)]
    if not heights:
        return ""
    ticks = score_ticks(min(heights), max(heights))
    ends = [_size_ends(each) for each in (curve, *rivals)]
    across = min(first for first, _ in ends), max(last for _, last in ends)
    frame = Frame(canvas, across, (ticks[0], ticks[-1]))
    title = find_score(curve.metric).title
    points = [point for each in (curve, *rivals) for point in each.points]
    sizes = [(float(size), f"{size:,}") for size in sorted({*_sizes(points)})]
    elements = [
        *score_axis(frame, ticks, title=title),
        *number_axis(frame, sizes, title="training examples (log scale)"),
        *_band(frame, curve.fit),
        *prompt_lines(frame, curve.baselines),
        *_marked_sizes(frame, analysis),
        *_rivals(frame, rivals),
        *(_tuned(frame, point) for point in curve.points if point.value is not None),
        *_model_names(frame, (curve, *rivals)),
        *_break_even(frame, analysis),
        *prompt_names(frame, curve.baselines),
        _synthetic(canvas) if synthetic else "",
    ]
    return drawing(
        canvas,
        elements,
        name="curve",
        title=f"{title} against training examples",
        words=" ".join(describe(each) for each in (curve, *rivals)),
    )


def draw_front(analysis: Analysis, canvas: Canvas, *, synthetic: bool) -> str:
    """Return quality against cost; empty unless two variants have both a score and a price."""
    curve = analysis.curve
    dots = [
        (point, cost.per_thousand / NANO)
        for point in _everyone(curve)
        if point.value is not None and (cost := analysis.costs.get(point.name)) is not None
        if cost.per_thousand
    ]
    if len(dots) < 2:  # noqa: PLR2004 - one variant is no choice
        return ""
    ticks = score_ticks(*_ends([point.value or 0 for point, _ in dots]))
    low, high = _ends([dollars for _, dollars in dots])
    frame = Frame(canvas, (low / _ROOM, high * _ROOM), (ticks[0], ticks[-1]))
    title = find_score(curve.metric).title
    numbers = sorted({dollars: f"{dollars:.2g}" for _, dollars in dots}.items())
    elements = [
        *score_axis(frame, ticks, title=title),
        *number_axis(frame, numbers, title="dollars per 1,000 calls (log scale)"),
        *_front_dots(frame, dots, analysis.front or ()),
        _synthetic(canvas) if synthetic else "",
    ]
    said = [
        f"{point.name} {score_words(point)} for {dollars:.2g} dollars" for point, dollars in dots
    ]
    return drawing(
        canvas, elements, name="front", title=f"{title} against cost", words="; ".join(said)
    )


def describe(curve: LearningCurve) -> str:
    """Return the curve in words, for those who cannot see it."""
    said = [f"{point.name} {score_words(point)}" for point in (*curve.baselines, *curve.points)]
    ahead = f" The fitted band reaches to {curve.fit.sizes[-1]:,.0f} examples." if curve.fit else ""
    return f"{find_score(curve.metric).title}: {'; '.join(said)}.{ahead}"


def score_words(point: Point) -> str:
    """Return a score with its interval as text."""
    if point.value is None:
        return "no score"
    return f"{point.value:.1f} {interval_words(point)}".rstrip()


def interval_words(point: Point) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"[{point.low:.1f}, {point.high:.1f}]"


def _everyone(curve: LearningCurve) -> Iterable[Point]:
    return (*curve.baselines, *curve.points, *curve.others)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _heights(curve: LearningCurve) -> Iterable[float]:
    points = (*curve.baselines, *curve.points)
    ends = chain.from_iterable((point.value, point.low, point.high) for point in points)
    band = (*curve.fit.low, *curve.fit.high) if curve.fit else ()
    return (height for height in (*ends, *band) if height is not None)


def _sizes(points: Iterable[Point]) -> list[int]:
    return [point.train_size for point in points if point.train_size]


def _size_ends(curve: LearningCurve) -> tuple[float, float]:
    sizes = _sizes(curve.points) or [1]
    last = curve.fit.sizes[-1] if curve.fit else max(sizes)
    return min(sizes) / _ROOM, last * _ROOM


def _synthetic(canvas: Canvas) -> str:
    return text(canvas.right, canvas.top - 14, "SYNTHETIC", anchor="end", style="warning")


def _band(frame: Frame, fit: CurveFit | None) -> Iterable[str]:
    if fit is None:
        return
    upper = _path(frame, fit.sizes, fit.high)
    lower = _path(frame, fit.sizes[::-1], fit.low[::-1])
    yield f'<polygon class="band" points="{upper} {lower}"/>'
    yield f'<polyline class="fit" points="{_path(frame, fit.sizes, fit.values)}"/>'


def _path(frame: Frame, sizes: Sequence[float], scores: Sequence[float]) -> str:
    pairs = zip(sizes, scores, strict=True)
    return " ".join(f"{frame.x(size):.1f},{frame.y(score):.1f}" for size, score in pairs)


def _marked_sizes(frame: Frame, analysis: Analysis) -> Iterable[str]:
    """Mark the recommended size, and the smallest one that is shown to beat the best prompt.

    In words only where names have room beside the axes.
    """
    decision, canvas = analysis.decision, frame.canvas
    chosen = decision.recommended and decision.recommended.train_size
    start = decision.beats_prompt_from
    marks = {chosen: "recommended"} if chosen else {}
    if start and start != chosen:
        marks[start] = "beats prompt"
    for place, (size, words) in enumerate(marks.items()):
        across = frame.x(size)
        yield line(across, canvas.top, across, canvas.bottom, style="chosen", dashes="3 3")
        if not canvas.labels_beside:
            continue
        is_right = across > (canvas.left + canvas.right) / 2
        yield text(
            across + (-5 if is_right else 5),
            canvas.bottom - 8 - LABEL_GAP * place,
            words,
            anchor="end" if is_right else "start",
            style="chosen",
        )


def _break_even(frame: Frame, analysis: Analysis) -> Iterable[str]:
    """Mark the size at which the fitted curve passes the best prompt, where it does."""
    fit, prompt = analysis.curve.fit, analysis.decision.best_prompt
    if fit is None or fit.crossing is None or prompt is None or prompt.value is None:
        return
    across, height = frame.x(fit.crossing), frame.y(prompt.value)
    words = f"break-even near {fit.crossing:,.0f}"
    corners = f"{across - 6:.1f},{height:.1f} {across:.1f},{height - 6:.1f} "
    corners += f"{across + 6:.1f},{height:.1f} {across:.1f},{height + 6:.1f}"
    mark = f'<polygon class="break-even" points="{corners}"/>'
    yield f"<g><title>{words}</title>{mark}</g>"
    if frame.canvas.labels_beside:
        # above the names of marked sizes, which are two at most
        low = frame.canvas.bottom - 8 - 2 * LABEL_GAP
        is_right = across > (frame.canvas.left + frame.canvas.right) / 2
        anchor, shift = ("end", -10) if is_right else ("start", 10)
        yield text(across + shift, low, words, anchor=anchor, style="prompt-name")


def _tuned(frame: Frame, point: Point) -> str:
    across, height = _place(frame, point)
    dot = f'<circle class="tuned" cx="{across:.1f}" cy="{height:.1f}" r="4.5"/>'
    return _scored(frame, point, dot, style="tuned")


def _place(frame: Frame, point: Point) -> tuple[float, float]:
    return frame.x(point.train_size or 1), frame.y(point.value or 0)


def _scored(frame: Frame, point: Point, mark: str, *, style: str) -> str:
    """Return the mark of a tuned model with its interval, and its score as a tooltip."""
    words = escape(f"{point.name}: {score_words(point)}")
    bar = whisker(frame, point.low, point.high, _place(frame, point)[0], style=style)
    return f"<g><title>{words}</title>{bar}{mark}</g>"


def _rivals(frame: Frame, rivals: Sequence[LearningCurve]) -> Iterable[str]:
    """Draw the curves of other base models: squares, and a dashed line where one is fitted."""
    for place, curve in enumerate(rivals):
        if curve.fit is not None:
            dashes = DASHES[place % len(DASHES)]
            path = _path(frame, curve.fit.sizes, curve.fit.values)
            yield f'<polyline class="rival" points="{path}" stroke-dasharray="{dashes}"/>'
        for point in curve.points:
            if point.value is not None:
                yield _square(frame, point)


def _square(frame: Frame, point: Point) -> str:
    across, height = _place(frame, point)
    box = f'x="{across - 4:.1f}" y="{height - 4:.1f}" width="8" height="8"'
    return _scored(frame, point, f'<rect class="rival" {box}/>', style="rival")


def _model_names(frame: Frame, curves: Sequence[LearningCurve]) -> Iterable[str]:
    """Name each curve left of its last point, where there are several."""
    last = [[each for each in curve.points if each.value is not None][-1:] for curve in curves]
    named = [point for found in last for point in found if point.base_model]
    canvas = frame.canvas
    labels = spread_labels(
        [frame.y(point.value or 0) for point in named],
        gap=LABEL_GAP, low=canvas.top + LABEL_GAP, high=canvas.bottom - LABEL_GAP,
    )  # fmt: skip
    for point, label in zip(named, labels, strict=True):
        across = frame.x(point.train_size or 1) - 9
        yield text(across, label - 5, short_name(point.base_model), anchor="end")


def _front_dots(
    frame: Frame, dots: Sequence[tuple[Point, float]], front: Sequence[str]
) -> Iterable[str]:
    """Draw each variant with its name; those of the front are filled and joined by steps."""
    where = {point.name: (frame.x(cost), frame.y(point.value or 0)) for point, cost in dots}
    steps = [where[name] for name in front if name in where]
    for (x1, y1), (x2, y2) in pairwise(steps):
        yield line(x1, y1, x2, y1, style="fit")
        yield line(x2, y1, x2, y2, style="fit")
    # Above its dot a name is clear of the steps, which lead to the right and up from below.
    aims = [where[point.name][1] - 0.8 * LABEL_GAP for point, _ in dots]
    labels = spread_labels(
        aims, gap=LABEL_GAP, low=frame.canvas.top, high=frame.canvas.bottom - LABEL_GAP / 2
    )
    middle = (frame.canvas.left + frame.canvas.right) / 2
    for (point, _), label in zip(dots, labels, strict=True):
        across, height = where[point.name]
        style = "tuned" if point.name in front else "beaten"
        anchor, shift = ("end", -9) if across > middle else ("start", 9)
        yield f'<circle class="{style}" cx="{across:.1f}" cy="{height:.1f}" r="4.5"/>'
        if abs(label - height) > LABEL_GAP:
            yield line(across, height, across + shift, label, style="leader")
        yield text(across + shift, label + 4, point.name, anchor=anchor)
