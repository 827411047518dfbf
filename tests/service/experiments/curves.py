"""Points of learning curves for the tests of this room."""

from service.evaluation.schemas import VariantKind
from service.experiments.curve import Point


def point(
    name: str, value: float | None, *, half: float | None = 1.2, coverage: float = 1.0
) -> Point:
    """Return a variant's point by its planned name; `half` is half its interval's width."""
    size = int(name.split("@")[1]) if "@" in name else None
    kind = {"zero-shot": VariantKind.ZERO_SHOT, "few-shot (3)": VariantKind.FEW_SHOT}
    low, high = (None, None) if value is None or half is None else (value - half, value + half)
    rows = 0 if value is None else 200
    return Point(name, kind.get(name, VariantKind.TUNED), size, value, low, high, coverage, rows)


ZERO = point("zero-shot", 83.9)
FEW = point("few-shot (3)", 87.6)


def tuned(scores: dict[int, float | None], *, half: float | None = 1.2) -> list[Point]:
    return [point(f"tuned@{size}", value, half=half) for size, value in scores.items()]
