"""What ours has to keep in each scenario, and whether it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.inference.measurements import Measurement

Results = Mapping[str, Measurement]
OURS, OURS_FEW = "ours", "ours, 2,000 rows"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure of the results and its limit; `of` returns None where it was not measured."""

    what: str
    limit: float
    of: Callable[[Results], float | None]
    side: Literal["at most", "at least"] = "at most"

    def judge(self, results: Results) -> str:
        """Return one line: kept or MISSED, what was found, and the limit."""
        found = self.of(results)
        kept = found is not None and (
            found <= self.limit if self.side == "at most" else found >= self.limit
        )
        shown = "nothing" if found is None else f"{found:,.5g}"
        return f"{'kept' if kept else 'MISSED'}: {self.what} {shown}, {self.side} {self.limit:,g}"


def judge_all(scenario: str, results: Results) -> list[str]:
    """Return a line for each threshold of a scenario."""
    return [threshold.judge(results) for threshold in THRESHOLDS[scenario]]


def _figure(name: str, contender: str = OURS) -> Callable[[Results], float | None]:
    return lambda results: getattr(results[contender], name)


def _more(name: str) -> Callable[[Results], float | None]:
    return lambda results: results[OURS].more.get(name)


def _paid_beyond_flight(results: Results) -> float | None:
    ours = results[OURS]
    in_flight = ours.more.get("in_flight_at_kill")
    if in_flight is None or ours.paid_twice is None:
        return None
    return ours.paid_twice - in_flight


def _token_rate_share(results: Results) -> float | None:
    ratio = results[OURS].makespan_ratio
    return 1 / ratio if ratio else None


def _growth_percent(results: Results) -> float | None:
    few, many = results[OURS_FEW].rss_mb, results[OURS].rss_mb
    return 100 * abs(many / few - 1) if few and many else None


def _paced(most_ratio: float, most_waste_percent: float | None = None) -> Sequence[Threshold]:
    thresholds = [Threshold("makespan / ideal", most_ratio, _figure("makespan_ratio")), _LOST]
    if most_waste_percent is not None:
        thresholds.insert(
            1, Threshold("429s a hundred rows", most_waste_percent, _figure("waste_percent"))
        )
    return thresholds


_LOST = Threshold("rows lost", 0, _figure("lost"))

THRESHOLDS: Mapping[str, Sequence[Threshold]] = {
    "steady": _paced(1.03, 0.3),
    "slow": _paced(1.03, 0.3),
    "halved": [*_paced(1.06), Threshold("429s of the one change", 20, _more("429s"))],
    "wrong": _paced(1.06),
    "unknown": _paced(1.25),
    "fleet": [
        *_paced(1.05, 0.5),
        Threshold("rows doubled", 0, _more("doubled")),
        Threshold("paid twice beyond those in flight at the kill", 10, _paid_beyond_flight),
    ],
    "tokens": [
        Threshold("share of the token rate", 0.95, _token_rate_share, "at least"),
        Threshold("429s a hundred rows", 1.0, _figure("waste_percent")),
        _LOST,
    ],
    "fair": [
        Threshold("small job / its fair-share time", 1.3, _figure("makespan_ratio")),
        Threshold("seconds until the large job is cancelled", 2, _more("cancel_seconds")),
    ],
    "overhead": [Threshold("CPU ms a row", 1.0, _figure("cpu_ms_per_row")), _LOST],
    "memory": [
        Threshold("MB of the largest worker process", 150, _figure("rss_mb")),
        Threshold("change in % from 2,000 rows", 10, _growth_percent),
        _LOST,
    ],
    "cached": [
        Threshold("provider calls", 0, _more("calls")),
        Threshold("rows a second", 10_000, _more("rows_per_second"), "at least"),
        _LOST,
    ],
}
