"""What a run came to, in the words of the issue, and the medians of several."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Measured:
    """`waste_percent` are 429s for 100 rows; `paid_twice` are calls accepted a second time.

    None where a scenario has no such number.
    """

    makespan_ratio: float | None = None
    waste_percent: float | None = None
    lost: float | None = None
    paid_twice: float | None = None
    cpu_ms_per_row: float | None = None
    rss_mb: float | None = None


def median_of(runs: Sequence[Measured]) -> Measured:
    """Return the median of each number over the runs that have it."""
    return Measured(
        **{
            field.name: _median([getattr(run, field.name) for run in runs])
            for field in fields(Measured)
        }
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 4) if known else None


def table(results: Mapping[str, Measured]) -> str:
    """Return the results as a Markdown table, a row for each contender."""
    names = [field.name for field in fields(Measured)]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for contender, measured in results.items():
        cells = ["" if value is None else f"{value:g}" for value in asdict(measured).values()]
        lines.append(f"| {contender} | {' | '.join(cells)} |")
    return "\n".join(lines)
