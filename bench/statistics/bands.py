"""How often a learning curve's band holds the later score, and a plateau is one: public curves.

`.venv/bin/python bench/statistics/bands.py [--data FOLDER] [--json FILE]`

Curves: LCDB 1.1 (test error of classic learners) and fine-tuning loss of language models, both in
`../shared/data/learning_curves`. Each is seen at a few sizes with a point of noise and asked for
a later size; beside it a straight line in the logarithm of the size, and a power law with a
floor. Curves of one dataset (LCDB) or of one model (fine-tuning) miss together, so they are the
unit of the intervals of what was held. Bands are widened by what half of these units would have
needed (split conformal, Lei et al. 2018, by sizes seen and distance) and tried on the other half:
whether that is nearer to 80 % than as they are. A plateau is false where the noiseless curve gains
more than the verdict says.
"""

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from service.evaluation.schemas import VariantKind  # noqa: E402  the repository's root comes first
from service.evaluation.statistics.intervals import grouped_interval, sum_by_group  # noqa: E402
from service.experiments.learning_curve.curve import Point, Verdict, learning_curve  # noqa: E402
from service.experiments.learning_curve.fit import extrapolate  # noqa: E402

Array = NDArray[np.float64]
Cell = tuple[str, int, int]  # source, sizes seen, times the largest


@dataclass(frozen=True)
class Curve:
    """Scores at sizes; curves of the same `unit` are alike."""

    unit: str
    sizes: Array
    scores: Array


@dataclass(frozen=True)
class Reach:
    """How far off the later scores lie in half widths of their bands: held up to 1."""

    units: NDArray[np.str_]
    reach: Array


NOISE = 0.01
TOLERANCE = 0.06  # of the logarithm of a size: LCDB has its own grid
AHEAD = ((3, 2), (4, 2), (3, 4), (3, 8))  # sizes seen, and how many times the largest is asked for
SOURCES = {"LCDB": (50, 4), "fine-tuning loss": (200, 2)}  # first size, and the step between sizes
# how often each curve is seen, each time with new noise
NOISES = {"LCDB": 1, "fine-tuning loss": 4}
GAINS = (0.5, 1.0)  # points that one more doubling must gain to be worthwhile
RATES = np.geomspace(0.01, 4, 200)
PROMISED = 0.8
PARTS = ("units", "reach")
HALVES = 400  # random halves of the units


def lcdb(folder: Path) -> Iterator[Curve]:
    meta = json.loads((folder / "lcdb11_meta.json").read_text())
    anchors = np.array(meta["anchors"], float)
    with gzip.open(folder / "lcdb11_error_rate_shared.json.gz") as file:
        datasets = json.load(file)
    for name, dataset in datasets.items():
        for learner, curve in zip(meta["learners"], dataset["er"], strict=True):
            if learner == "DummyClassifier":
                continue
            errors = np.array([row[2] if row[2] is not None else np.nan for row in curve[0]], float)
            known = ~np.isnan(errors)
            yield Curve(name, anchors[: len(errors)][known], 1 - errors[known])


def fine_tuning(folder: Path) -> Iterator[Curve]:
    for name in ("ft_scaling_flan.csv", "ft_scaling_gigaword.csv"):
        with (folder / name).open() as file:
            head, *rows = csv.reader(file)
        sizes = np.array(head[2:16], float)  # size 0 is no tuning
        for row in rows:
            yield Curve(f"{name} {row[0]}", sizes, 1 - np.array(row[2:16], float) / 10)


def scores_at(curve: Curve, wanted: Sequence[float]) -> NDArray[np.float64] | None:
    """Return the scores at the sizes wanted; None where the curve does not have them."""
    sizes, scores = curve.sizes, curve.scores
    if not len(sizes):
        return None
    places = [int(np.argmin(np.abs(np.log(sizes / size)))) for size in wanted]
    if any(
        abs(np.log(sizes[at] / size)) > TOLERANCE for at, size in zip(places, wanted, strict=True)
    ):
        return None
    return scores[places]


def seen_curves(
    curves: Sequence[Curve], sizes: Sequence[int], asked: float, times: int
) -> Iterator[tuple[int, str, Array, Array]]:
    """Yield, for each curve and each noise, a seed, its unit, its noisy and its true scores."""
    for seed in range(times):
        drawn = np.random.default_rng(seed)
        for curve in curves:
            scores = scores_at(curve, [*sizes, asked])
            if scores is not None:
                yield seed, curve.unit, scores[:-1] + drawn.normal(0, NOISE, len(sizes)), scores


def power_law(sizes: Sequence[int], scores: NDArray[np.float64], asked: float) -> float:
    """Return a - b * n ** -c at a size: least squares over a grid of c, with a <= 1 and b >= 0."""
    found = []
    for decay, later in ((np.asarray(sizes, float) ** -rate, asked**-rate) for rate in RATES):
        drop, top = np.polyfit(-decay, scores, 1)
        if top > 1:
            top, drop = 1.0, float(((1 - scores) @ decay) / (decay @ decay))
        if drop < 0:
            top, drop = float(scores.mean()), 0.0
        found.append((float(np.sum((top - drop * decay - scores) ** 2)), top - drop * later))
    return float(min(found)[1])


def measure(
    curves: Sequence[Curve], first: int, step: int, seen: int, ahead: int, times: int
) -> tuple[dict[str, Any], Reach]:
    """Return how often the band held, with its interval, and the errors beside the alternatives."""
    sizes = [first * step**at for at in range(seen)]
    asked = sizes[-1] * ahead
    units, reach, ours, lines, powers = [], [], [], [], []
    for seed, unit, noisy, scores in seen_curves(curves, sizes, asked, times):
        found = extrapolate(sizes, noisy, errors=[NOISE] * seen, at=[asked], seed=seed)
        low, middle, high = np.percentile(found.scores[:, 0], [10, 50, 90])
        units.append(unit)
        reach.append(
            max((middle - scores[-1]) / (middle - low), (scores[-1] - middle) / (high - middle))
        )
        ours.append(abs(found.point[0] - scores[-1]))
        slope, level = np.polyfit(np.log(sizes), noisy, 1)
        lines.append(abs(min(1.0, level + slope * np.log(asked)) - scores[-1]))
        powers.append(abs(power_law(sizes, noisy, asked) - scores[-1]))
    found = Reach(np.array(units), np.array(reach))
    return {
        "curves": len(units),
        **held(found),
        "error_points": 100 * float(np.mean(ours)),
        "log_linear_error_points": 100 * float(np.mean(lines)),
        "power_law_error_points": 100 * float(np.mean(powers)),
    }, found


def held(found: Reach) -> dict[str, Any]:
    """Return the share held in percent, with the 95 % interval over units."""
    inside = found.reach <= 1
    sums = sum_by_group(np.column_stack([inside, np.ones(len(inside))]), groups=found.units)
    interval = grouped_interval(sums, _share, scale=100, confidence=0.95)
    return {
        "band_percent": 100 * float(inside.mean()),
        "band_low": interval and interval.low,
        "band_high": interval and interval.high,
        "units": len(sums),
    }


def _share(sums: Array) -> Array:
    earned: Array = 100 * sums[..., 0] / sums[..., 1]
    return earned


def recalibrated(cells: Mapping[Cell, Reach]) -> Iterator[dict[str, Any]]:
    """Yield how far from 80 % the bands hold on units that did not widen them, and as they are."""
    drawn = np.random.default_rng(1)
    widened: dict[Cell, list[Array]] = {cell: [] for cell in cells}
    for _ in range(HALVES):
        chosen = _half(cells, drawn)
        for cell, found in cells.items():
            alike = [(each, cells[each]) for each in cells if each[1:] == cell[1:]]
            factor = _factor([each.reach[chosen[at]] for at, each in alike if chosen[at].any()])
            other = found.reach[~chosen[cell]]
            if len(other):
                shares = np.array([np.mean(other <= factor), np.mean(other <= 1), factor])
                widened[cell].append(shares)
    for (source, seen, ahead), shares in widened.items():
        every = np.array(shares)
        yield {
            "source": source,
            "seen": seen,
            "ahead": ahead,
            "factor": float(every[:, 2].mean()),
            "recalibrated_percent": 100 * float(every[:, 0].mean()),
            "recalibrated_off": 100 * float(np.abs(every[:, 0] - PROMISED).mean()),
            "as_is_off": 100 * float(np.abs(every[:, 1] - PROMISED).mean()),
        }


def _half(cells: Mapping[Cell, Reach], drawn: np.random.Generator) -> dict[Cell, NDArray[np.bool_]]:
    """Return which curves of each cell belong to a random half of the units of each source."""
    chosen = {}
    for source in SOURCES:
        theirs = [found.units for (name, _, _), found in cells.items() if name == source]
        units = np.unique(np.concatenate(theirs))
        chosen[source] = drawn.permutation(units)[: len(units) // 2]
    return {cell: np.isin(found.units, chosen[cell[0]]) for cell, found in cells.items()}


def _factor(reaches: Sequence[Array]) -> float:
    """Return the width that holds 80 %, each source counting alike."""
    every = np.concatenate(reaches)
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in reaches])
    order = np.argsort(every)
    steps = np.cumsum(weights[order])
    return float(every[order][np.searchsorted(steps, PROMISED * steps[-1])])


def plateaus(
    curves: Sequence[Curve], first: int, step: int, seen: int, gain: float, times: int
) -> dict[str, Any]:
    """Count the verdicts "plateau" and "flat", and those where the next doubling gains as much."""
    sizes = [first * step**at for at in range(seen)]
    said = false = flat = rising = total = 0
    for seed, _, noisy, scores in seen_curves(curves, sizes, 2 * sizes[-1], times):
        half = 196 * NOISE
        points = [
            Point(str(size), VariantKind.TUNED, size, value, value - half, value + half, 1.0, 0)
            for size, value in zip(sizes, (100 * noisy).tolist(), strict=True)
        ]
        verdict = learning_curve("accuracy", points, worthwhile_gain=gain, seed=seed).verdict
        is_rising = bool(100 * (scores[-1] - scores[-2]) >= gain)
        total, rising = total + 1, rising + is_rising
        flat += verdict is Verdict.FLAT
        said += verdict is Verdict.PLATEAU
        false += verdict is Verdict.PLATEAU and is_rising
    return {"curves": total, "rising": rising, "plateaus": said, "false": false, "flat": flat}


def _columns(row: Mapping[str, Any]) -> str:
    return f"{row['band_percent']:7.1f} [{row['band_low']:.1f}, {row['band_high']:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT.parent / "shared" / "data" / "learning_curves"
    parser.add_argument("--data", type=Path, default=default, help="folder of the public curves")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"no public curves at {options.data}")
    curves = {"LCDB": list(lcdb(options.data)), "fine-tuning loss": list(fine_tuning(options.data))}
    rows, cells = [], {}
    print(
        f"{'curves':18}{'seen':>6}{'ahead':>7}{'n':>6}{'units':>6}{'band':>21}{'error':>8}"
        f"{'line':>8}{'power':>8}"
    )
    for name, (first, step) in SOURCES.items():
        for seen, ahead in AHEAD:
            row, found = measure(curves[name], first, step, seen, ahead, NOISES[name])
            cells[name, seen, ahead] = found
            rows.append({"source": name, "seen": seen, "ahead": ahead, **row})
            print(
                f"{name:18}{seen:6}{ahead:6}x{row['curves']:6}{row['units']:6}{_columns(row)}"
                f"{row['error_points']:8.2f}{row['log_linear_error_points']:8.2f}"
                f"{row['power_law_error_points']:8.2f}"
            )
    for name in SOURCES:
        theirs = [found for (source, _, _), found in cells.items() if source == name]
        every = Reach(*(np.concatenate([getattr(each, part) for each in theirs]) for part in PARTS))
        rows.append({"source": name, **held(every)})
        print(f"{name:18}all {len(every.units):6} {_columns(rows[-1])}")
    for row in recalibrated(cells):
        rows.append(row)
        print(
            f"{row['source']:18}{row['seen']:6}{row['ahead']:6}x widened {row['factor']:5.2f}: "
            f"{row['recalibrated_percent']:5.1f} %, off by {row['recalibrated_off']:4.1f}; as is "
            f"{row['as_is_off']:4.1f}"
        )
    print(
        f"{'curves':18}{'seen':>6}{'gain':>6}{'n':>6}{'rising':>8}{'plateau':>9}{'false':>7}{'flat':>6}"
    )
    for name, (first, step) in SOURCES.items():
        for seen, gain in ((seen, gain) for seen in (3, 4) for gain in GAINS):
            row = plateaus(curves[name], first, step, seen, gain, NOISES[name])
            rows.append({"source": name, "seen": seen, "worthwhile_gain": gain, **row})
            print(
                f"{name:18}{seen:6}{gain:6}{row['curves']:6}{row['rising']:8}{row['plateaus']:9}"
                f"{row['false']:7}{row['flat']:6}"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
