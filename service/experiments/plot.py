"""The plot of a learning curve as SVG: sizes on a log axis, error bars, fitted band, baselines."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain

from service.evaluation.metrics.registry import METRICS
from service.experiments.curve import LearningCurve, Point
from service.experiments.curve_fit import CurveFit

WIDTH, HEIGHT = 780, 430
LEFT, RIGHT, TOP, BOTTOM = 56, 590, 34, 372
LABEL_GAP = 18  # pixels between the lines of two labels
TICK_GAP = 44  # pixels that the longest size needs
STEPS = 5
_DASHES = ("7 4", "2 4")


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps sizes (log scale) and scores to pixels; each pair is the ends of an axis."""

    sizes: tuple[float, float]
    scores: tuple[float, float]

    def x(self, size: float) -> float:
        first, last = self.sizes
        return LEFT + (RIGHT - LEFT) * math.log(size / first) / math.log(last / first)

    def y(self, score: float) -> float:
        low, high = self.scores
        return BOTTOM - (BOTTOM - TOP) * (score - low) / (high - low)


def draw_curve(curve: LearningCurve, *, synthetic: bool) -> str:
    """Return the plot as one `<svg>` element; empty when no variant has a score.

    Colours are CSS variables of the page (`--tuned`, `--band`, `--prompt`, `--muted`, `--grid`).
    """
    heights = list(_heights(curve))
    if not heights:
        return ""
    ticks = score_ticks(min(heights), max(heights))
    frame = Frame(_size_ends(curve), (ticks[0], ticks[-1]))
    title = METRICS.find(curve.metric).title
    elements = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="plot-title plot-text">',
        f'<title id="plot-title">{escape(title)} against training examples</title>',
        f'<desc id="plot-text">{escape(describe(curve))}</desc>',
        *_score_axis(frame, ticks, title=title),
        *_size_axis(frame, curve.points),
        *_band(frame, curve.fit),
        *_baselines(frame, curve.baselines),
        *(_mark(frame, point) for point in curve.points if point.value is not None),
        _text(RIGHT, TOP - 14, "SYNTHETIC", anchor="end", style="warning") if synthetic else "",
        "</svg>",
    ]
    return "\n".join(element for element in elements if element)


def describe(curve: LearningCurve) -> str:
    """Return the plot in words, for those who cannot see it."""
    points = (*curve.baselines, *curve.points)
    said = [f"{point.name} {score_words(point)}" for point in points]
    ahead = f" The fitted band reaches to {curve.fit.sizes[-1]:,.0f} examples." if curve.fit else ""
    return f"{METRICS.find(curve.metric).title}: {'; '.join(said)}.{ahead}"


def score_words(point: Point) -> str:
    """Return a score with its interval as text."""
    if point.value is None:
        return "no score"
    return f"{point.value:.1f} {interval_words(point)}".rstrip()


def interval_words(point: Point) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"[{point.low:.1f}, {point.high:.1f}]"


def score_ticks(low: float, high: float) -> list[float]:
    """Return round numbers that enclose both ends, about six of them."""
    span = max(high - low, 1.0)  # equal scores are not stretched over the page
    power = 10 ** math.floor(math.log10(span / STEPS))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit * STEPS >= span)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(place * step, 9) for place in range(first, max(last, first + 1) + 1)]


def spread_labels(heights: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move labels apart to at least `gap`, keeping their order and, if they fit, low to high."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    placed: list[float] = []
    for place in order:
        placed.append(max(heights[place], placed[-1] + gap if placed else low))
    for back in range(len(placed) - 1, -1, -1):
        ceiling = high if back == len(placed) - 1 else placed[back + 1] - gap
        placed[back] = min(placed[back], ceiling)
    where = dict(zip(order, placed, strict=True))
    return [where[place] for place in range(len(heights))]


def _heights(curve: LearningCurve) -> Iterable[float]:
    points = (*curve.baselines, *curve.points)
    ends = chain.from_iterable((point.value, point.low, point.high) for point in points)
    band = (*curve.fit.low, *curve.fit.high) if curve.fit else ()
    return (height for height in (*ends, *band) if height is not None)


def _sizes(points: Iterable[Point]) -> list[int]:
    return [point.train_size for point in points if point.train_size]


def _size_ends(curve: LearningCurve) -> tuple[float, float]:
    sizes = _sizes(curve.points) or [1]
    room = 1.25
    return min(sizes) / room, max(sizes) * room * (2 if curve.fit else 1)


def _score_axis(frame: Frame, ticks: Sequence[float], *, title: str) -> Iterable[str]:
    yield _text(LEFT - 44, TOP - 14, title)
    for tick in ticks:
        height = frame.y(tick)
        yield _line(LEFT, height, RIGHT, height, style="grid")
        yield _text(LEFT - 8, height + 4, f"{tick:g}", anchor="end", style="muted")


def _size_axis(frame: Frame, points: Sequence[Point]) -> Iterable[str]:
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 44, "training examples (log scale)", anchor="middle")
    free_from = -math.inf
    for size in _sizes(points):
        across = frame.x(size)
        yield _line(across, BOTTOM, across, BOTTOM + 6, style="axis")
        if across >= free_from:
            yield _text(across, BOTTOM + 21, f"{size:,}", anchor="middle", style="muted")
            free_from = across + TICK_GAP


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


def _baselines(frame: Frame, baselines: Sequence[Point]) -> Iterable[str]:
    """Draw each prompt as a line with its interval at the right end and its name beside that."""
    scored = [(point, frame.y(point.value)) for point in baselines if point.value is not None]
    labels = spread_labels(
        [height for _, height in scored], gap=LABEL_GAP, low=TOP, high=BOTTOM - LABEL_GAP / 2
    )
    for place, ((point, height), label) in enumerate(zip(scored, labels, strict=True)):
        dashes = _DASHES[place % len(_DASHES)]
        yield _line(
            LEFT, height, RIGHT, height, style="prompt", extra=f'stroke-dasharray="{dashes}"'
        )
        yield _whisker(frame, point, RIGHT + 6 + 9 * place, style="prompt")
        edge = RIGHT + 12 + 9 * len(scored)
        yield _line(RIGHT, height, edge, label, style="leader")
        yield _text(edge + 4, label + 4, f"{point.name}: {point.value:.1f}")


def _mark(frame: Frame, point: Point) -> str:
    across, height = frame.x(point.train_size or 1), frame.y(point.value or 0)
    words = escape(f"{point.name}: {score_words(point)}")
    dot = f'<circle class="tuned" cx="{across:.1f}" cy="{height:.1f}" r="4.5"/>'
    return f"<g><title>{words}</title>{_whisker(frame, point, across, style='tuned')}{dot}</g>"


def _whisker(frame: Frame, point: Point, across: float, *, style: str) -> str:
    if point.low is None or point.high is None:
        return ""
    low, high = frame.y(point.low), frame.y(point.high)
    ends = (_line(across - 4, end, across + 4, end, style=style) for end in (low, high))
    return "".join((_line(across, low, across, high, style=style), *ends))


def _line(x1: float, y1: float, x2: float, y2: float, *, style: str, extra: str = "") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{style}" {ends}{extra and " " + extra}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", style: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(words)}</text>'
