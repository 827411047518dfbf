"""Prompts without tuning in the plot of a curve: a line each, with its name."""

from collections.abc import Iterable, Sequence

from service.experiments.learning_curve.curve import Point
from service.experiments.report.svg import (
    DASHES,
    LABEL_GAP,
    Frame,
    line,
    spread_labels,
    text,
    whisker,
)


def prompt_lines(frame: Frame, baselines: Sequence[Point]) -> Iterable[str]:
    """Draw each prompt as a line, and beside the axes, where there is room, its interval."""
    canvas = frame.canvas
    for place, (point, height, _) in enumerate(_placed_prompts(frame, baselines)):
        dashes = DASHES[place % len(DASHES)]
        yield line(canvas.left, height, canvas.right, height, style="prompt", dashes=dashes)
        if canvas.labels_beside:
            across = canvas.right + 6 + 9 * place
            yield whisker(frame, point.low, point.high, across, style="prompt")


def prompt_names(frame: Frame, baselines: Sequence[Point]) -> Iterable[str]:
    """Name the lines of prompts: beside the axes, or on the line and over all else without room."""
    canvas = frame.canvas
    placed = _placed_prompts(frame, baselines)
    edge = canvas.right + 12 + 9 * len(placed)
    for point, height, label in placed:
        words = f"{point.name}: {point.value:.1f}"
        if canvas.labels_beside:
            yield line(canvas.right, height, edge, label, style="leader")
            yield text(edge + 4, label + 4, words)
        else:
            yield text(canvas.right - 4, label + 4, words, anchor="end", style="prompt-name")


def _placed_prompts(
    frame: Frame, baselines: Sequence[Point]
) -> Sequence[tuple[Point, float, float]]:
    """Return each prompt that has a score with the heights of its line and of its name."""
    canvas = frame.canvas
    scored = [(point, frame.y(point.value)) for point in baselines if point.value is not None]
    aims = [height if canvas.labels_beside else height - LABEL_GAP / 2 for _, height in scored]
    low, high = canvas.top, canvas.bottom - LABEL_GAP / 2
    labels = spread_labels(aims, gap=LABEL_GAP, low=low, high=high)
    return [(*each, label) for each, label in zip(scored, labels, strict=True)]
