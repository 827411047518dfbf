"""Training curves in a terminal: a sparkline for each series."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunecurve.output import Column, Row, render_table

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 24

_COLUMNS: dict[str, Column] = {
    "SERIES": lambda row: row["series"],
    "CURVE": lambda row: row["curve"],
    "FIRST": lambda row: row["first"],
    "LOWEST": lambda row: row["lowest"],
    "HIGHEST": lambda row: row["highest"],
    "LAST": lambda row: row["last"],
    "STEP": lambda row: row["step"],
}


def sparkline(values: Sequence[float], *, width: int = _WIDTH) -> str:
    """Return the values as a line of blocks from their lowest to their highest.

    More than `width` values are thinned evenly; the first and the last are always shown.
    """
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    if not values:
        return ""
    low, spread = min(values), max(values) - min(values)
    top = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[round((value - low) / spread * top) if spread else 0] for value in values
    )


def describe_curves(curves: Mapping[str, Any]) -> str:
    """Return a table of training curves as the API gives them."""
    return render_table(_COLUMNS, [_row(*each) for each in curves["series"].items()])


def curve_lines(curves: Mapping[str, Any]) -> list[str]:
    """Return one line a series, such as `train_loss  █▄▂▁  0.412 at step 90`."""
    width = max(map(len, curves["series"]), default=0)
    return [
        f"{name:<{width}}  {sparkline([each['value'] for each in points])}"
        f"  {points[-1]['value']:.4g} at step {points[-1]['step']}"
        for name, points in curves["series"].items()
    ]


def _row(series: str, points: Sequence[Row]) -> Row:
    values = [float(point["value"]) for point in points]
    return {
        "series": series,
        "curve": sparkline(values),
        "first": _figure(values[0]),
        "lowest": _figure(min(values)),
        "highest": _figure(max(values)),
        "last": _figure(values[-1]),
        "step": points[-1]["step"],
    }


def _figure(value: float) -> float:
    return float(f"{value:.4g}")
