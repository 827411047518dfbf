"""What plots are drawn of: a canvas with two axes, lines, whiskers and texts, as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

STEPS = 5  # of the score axis, about
LABEL_GAP = 18  # pixels between the lines of two labels
DASHES = ("7 4", "2 4", "9 3 2 3")  # of lines that one colour does not tell apart
TICK_GAP = 44  # pixels that the longest number below the axis needs
_NARROWEST_SPAN = 5.0  # equal scores are not stretched over the page


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of a drawing and the edges of its axes, in pixels.

    `labels_beside` says that there is room for names right of the axes.
    """

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    labels_beside: bool


WIDE = Canvas("wide", 780, 430, 56, 590, 34, 372, labels_beside=True)
NARROW = Canvas("narrow", 360, 400, 56, 336, 34, 342, labels_beside=False)
CANVASES = (WIDE, NARROW)


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps an axis of positive numbers (log scale) and scores to pixels; pairs are axis ends."""

    canvas: Canvas
    across: tuple[float, float]
    scores: tuple[float, float]

    def x(self, value: float) -> float:
        first, last = self.across
        span = self.canvas.right - self.canvas.left
        return self.canvas.left + span * math.log(value / first) / math.log(last / first)

    def y(self, score: float) -> float:
        low, high = self.scores
        span = self.canvas.bottom - self.canvas.top
        return self.canvas.bottom - span * (score - low) / (high - low)


def drawing(canvas: Canvas, elements: Iterable[str], *, name: str, title: str, words: str) -> str:
    """Return one `<svg>` element with its words for those who cannot see it.

    Colours are CSS variables of the page; `name` makes the ids unique on it.
    """
    ids = f"{name}-{canvas.name}-title {name}-{canvas.name}-text"
    head, text = ids.split()
    box = f'viewBox="0 0 {canvas.width} {canvas.height}"'
    return "\n".join(
        [
            f'<svg class="{canvas.name}" {box} role="img" aria-labelledby="{ids}">',
            f'<title id="{head}">{escape(title)}</title>',
            f'<desc id="{text}">{escape(words)}</desc>',
            *(element for element in elements if element),
            "</svg>",
        ]
    )


def score_axis(frame: Frame, ticks: Sequence[float], *, title: str) -> Iterable[str]:
    canvas = frame.canvas
    yield text(max(2, canvas.left - 44), canvas.top - 14, title)
    for tick in ticks:
        height = frame.y(tick)
        yield line(canvas.left, height, canvas.right, height, style="grid")
        yield text(canvas.left - 8, height + 4, f"{tick:g}", anchor="end", style="muted")


def number_axis(frame: Frame, numbers: Sequence[tuple[float, str]], *, title: str) -> Iterable[str]:
    """Draw the axis below with its numbers as they are written; what has no room is left out."""
    canvas = frame.canvas
    middle = (canvas.left + canvas.right) / 2
    yield text(middle, canvas.bottom + 44, title, anchor="middle")
    free_from = -math.inf
    for number, written in numbers:
        across = frame.x(number)
        yield line(across, canvas.bottom, across, canvas.bottom + 6, style="axis")
        if across >= free_from:
            yield text(across, canvas.bottom + 21, written, anchor="middle", style="muted")
            free_from = across + TICK_GAP


def score_ticks(low: float, high: float) -> list[float]:
    """Return round numbers that enclose both ends, about six of them.

    Ends that are too near to each other get room below, where there is some.
    """
    low = max(min(low, 0.0), min(low, high - _NARROWEST_SPAN))
    high = max(high, low + _NARROWEST_SPAN)
    span = max(high - low, _NARROWEST_SPAN)
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


def whisker(
    frame: Frame, low: float | None, high: float | None, across: float, *, style: str
) -> str:
    """Return a vertical interval with its ends; nothing where it is not known."""
    if low is None or high is None:
        return ""
    ends = [frame.y(low), frame.y(high)]
    bars = (line(across - 4, end, across + 4, end, style=style) for end in ends)
    return "".join((line(across, ends[0], across, ends[1], style=style), *bars))


def line(x1: float, y1: float, x2: float, y2: float, *, style: str, dashes: str = "") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line class="{style}" {ends}{dashed}/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", style: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(words)}</text>'
