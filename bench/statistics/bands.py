"""How often a learning curve's band holds the later score, and a plateau is one: public curves.

`.venv/bin/python bench/statistics/bands.py [--data FOLDER] [--json FILE]`

Curves: LCDB 1.1 (test error of classic learners) and fine-tuning loss of language models, both in
`../shared/data/learning_curves`. Each is seen at a few sizes with a point of noise and asked for
a later size; beside it a straight line in the logarithm of the size, and a power law with a
floor. A plateau is false where the noiseless curve gains more than the verdict says.
"""

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from service.evaluation.schemas import VariantKind  # noqa: E402  the repository's root comes first
from service.experiments.learning_curve.curve import Point, Verdict, learning_curve  # noqa: E402
from service.experiments.learning_curve.fit import extrapolate  # noqa: E402

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

NOISE = 0.01
TOLERANCE = 0.06  # of the logarithm of a size: LCDB has its own grid
AHEAD = ((3, 2), (4, 2), (3, 4), (3, 8))  # sizes seen, and how many times the largest is asked for
SOURCES = {"LCDB": (50, 4), "fine-tuning loss": (200, 2)}  # first size, and the step between sizes
NOISES = {
    "LCDB": 1,
    "fine-tuning loss": 4,
}  # how often each curve is seen, each time with new noise
GAINS = (0.5, 1.0)  # points that one more doubling must gain to be worthwhile
RATES = np.geomspace(0.01, 4, 200)


def lcdb(folder: Path) -> Iterator[Curve]:
    meta = json.loads((folder / "lcdb11_meta.json").read_text())
    anchors = np.array(meta["anchors"], float)
    with gzip.open(folder / "lcdb11_error_rate_shared.json.gz") as file:
        datasets = json.load(file)
    for dataset in datasets.values():
        for learner, curve in zip(meta["learners"], dataset["er"], strict=True):
            if learner == "DummyClassifier":
                continue
            errors = np.array([row[2] if row[2] is not None else np.nan for row in curve[0]], float)
            known = ~np.isnan(errors)
            yield anchors[: len(errors)][known], 1 - errors[known]


def fine_tuning(folder: Path) -> Iterator[Curve]:
    for name in ("ft_scaling_flan.csv", "ft_scaling_gigaword.csv"):
        with (folder / name).open() as file:
            head, *rows = csv.reader(file)
        sizes = np.array(head[2:16], float)  # size 0 is no tuning
        for row in rows:
            yield sizes, 1 - np.array(row[2:16], float) / 10


def scores_at(curve: Curve, wanted: Sequence[float]) -> NDArray[np.float64] | None:
    """Return the scores at the sizes wanted; None where the curve does not have them."""
    sizes, scores = curve
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
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield, for each curve and each noise, a seed, its noisy scores and its true ones."""
    for seed in range(times):
        drawn = np.random.default_rng(seed)
        for curve in curves:
            scores = scores_at(curve, [*sizes, asked])
            if scores is not None:
                yield seed, scores[:-1] + drawn.normal(0, NOISE, len(sizes)), scores


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
) -> dict[str, Any]:
    sizes = [first * step**at for at in range(seen)]
    asked = sizes[-1] * ahead
    held, ours, lines, powers = [], [], [], []
    for seed, noisy, scores in seen_curves(curves, sizes, asked, times):
        found = extrapolate(sizes, noisy, errors=[NOISE] * seen, at=[asked], seed=seed)
        low, high = np.percentile(found.scores[:, 0], [10, 90])
        held.append(low <= scores[-1] <= high)
        ours.append(abs(found.point[0] - scores[-1]))
        slope, level = np.polyfit(np.log(sizes), noisy, 1)
        lines.append(abs(min(1.0, level + slope * np.log(asked)) - scores[-1]))
        powers.append(abs(power_law(sizes, noisy, asked) - scores[-1]))
    return {
        "curves": len(held),
        "band_percent": 100 * float(np.mean(held)),
        "error_points": 100 * float(np.mean(ours)),
        "log_linear_error_points": 100 * float(np.mean(lines)),
        "power_law_error_points": 100 * float(np.mean(powers)),
    }


def plateaus(
    curves: Sequence[Curve], first: int, step: int, seen: int, gain: float, times: int
) -> dict[str, Any]:
    """Count the verdicts "plateau" and "flat", and those where the next doubling gains as much."""
    sizes = [first * step**at for at in range(seen)]
    said = false = flat = rising = total = 0
    for seed, noisy, scores in seen_curves(curves, sizes, 2 * sizes[-1], times):
        half = 196 * NOISE
        points = [
            Point(str(size), VariantKind.TUNED, size, value, value - half, value + half, 1.0, 0)
            for size, value in zip(sizes, (100 * noisy).tolist(), strict=True)
        ]
        verdict = learning_curve("accuracy", points, worthwhile_gain=gain, seed=seed).verdict
        is_rising = 100 * (scores[-1] - scores[-2]) >= gain
        total, rising = total + 1, rising + is_rising
        flat += verdict is Verdict.FLAT
        said += verdict is Verdict.PLATEAU
        false += verdict is Verdict.PLATEAU and is_rising
    return {"curves": total, "rising": rising, "plateaus": said, "false": false, "flat": flat}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT.parent / "shared" / "data" / "learning_curves"
    parser.add_argument("--data", type=Path, default=default, help="folder of the public curves")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"no public curves at {options.data}")
    curves = {"LCDB": list(lcdb(options.data)), "fine-tuning loss": list(fine_tuning(options.data))}
    rows = []
    print(
        f"{'curves':18}{'seen':>6}{'ahead':>7}{'n':>6}{'band':>9}{'error':>8}{'line':>8}{'power':>8}"
    )
    for name, (first, step) in SOURCES.items():
        for seen, ahead in AHEAD:
            row = measure(curves[name], first, step, seen, ahead, NOISES[name])
            rows.append({"source": name, "seen": seen, "ahead": ahead, **row})
            print(
                f"{name:18}{seen:6}{ahead:6}x{row['curves']:6}{row['band_percent']:8.1f}%"
                f"{row['error_points']:8.2f}{row['log_linear_error_points']:8.2f}"
                f"{row['power_law_error_points']:8.2f}"
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
