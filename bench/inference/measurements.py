"""What a run came to, by named figures, and the medians of several."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measurement:
    """`waste_percent` are 429s for 100 rows; `paid_twice` are calls accepted a second time.

    None where a scenario has no such number. `more` are figures of one scenario alone.
    """

    makespan_ratio: float | None = None
    waste_percent: float | None = None
    lost: float | None = None
    paid_twice: float | None = None
    cpu_ms_per_row: float | None = None
    rss_mb: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, float | None]:
        """Return the six figures that every scenario has."""
        return {name: getattr(self, name) for name in FIGURES}


FIGURES = tuple(name for name in Measurement.__dataclass_fields__ if name != "more")


def median_of(runs: Sequence[Measurement]) -> Measurement:
    """Return the median of each number over the runs that have it."""
    figures = {name: _median([getattr(run, name) for run in runs]) for name in FIGURES}
    names = dict.fromkeys(name for run in runs for name in run.more)
    found = {name: _median([run.more.get(name) for run in runs]) for name in names}
    more = {name: value for name, value in found.items() if value is not None}
    return Measurement(**figures, more=more)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 4) if known else None


def table(results: Mapping[str, Measurement]) -> str:
    """Return the results as a Markdown table, a row for each contender."""
    lines = [f"| | {' | '.join(FIGURES)} | more |", f"|---|{'---:|' * len(FIGURES)}---|"]
    for contender, measured in results.items():
        cells = ["" if value is None else f"{value:,.4g}" for value in measured.as_json().values()]
        more = ", ".join(f"{name} {value:,.6g}" for name, value in measured.more.items())
        lines.append(f"| {contender} | {' | '.join(cells)} | {more} |")
    return "\n".join(lines)
