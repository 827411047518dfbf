"""How often the band of a learning curve holds the later score, on public curves.

`.venv/bin/python bench/statistics/bands.py [--data FOLDER] [--json FILE]`

Curves: LCDB 1.1 (test error of classic learners) and fine-tuning loss of language models, both in
`../shared/data/learning_curves`. Each is seen at a few sizes with a point of noise and asked for
a later size; beside it a straight line in the logarithm of the size.
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

from service.experiments.curve_fit import extrapolate  # noqa: E402  the repository's root comes first

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

NOISE = 0.01
TOLERANCE = 0.06  # of the logarithm of a size: LCDB has its own grid
AHEAD = ((3, 2), (4, 2), (3, 4), (3, 8))  # sizes seen, and how many times the largest is asked for
SOURCES = {"LCDB": (50, 4), "fine-tuning loss": (200, 2)}  # first size, and the step between sizes


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


def measure(
    curves: Sequence[Curve], first: int, step: int, seen: int, ahead: int
) -> dict[str, Any]:
    drawn = np.random.default_rng(0)
    sizes = [first * step**at for at in range(seen)]
    asked = sizes[-1] * ahead
    held, ours, lines = [], [], []
    for curve in curves:
        scores = scores_at(curve, [*sizes, asked])
        if scores is None:
            continue
        noisy = scores[:-1] + drawn.normal(0, NOISE, seen)
        found = extrapolate(sizes, noisy, errors=[NOISE] * seen, at=[asked])
        low, high = np.percentile(found.scores[:, 0], [10, 90])
        held.append(low <= scores[-1] <= high)
        ours.append(abs(found.point[0] - scores[-1]))
        slope, level = np.polyfit(np.log(sizes), noisy, 1)
        lines.append(abs(min(1.0, level + slope * np.log(asked)) - scores[-1]))
    return {
        "curves": len(held),
        "band_percent": 100 * float(np.mean(held)),
        "error_points": 100 * float(np.mean(ours)),
        "log_linear_error_points": 100 * float(np.mean(lines)),
    }


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
    print(f"{'curves':18}{'seen':>6}{'ahead':>7}{'n':>6}{'band':>11}{'error':>8}{'log-linear':>12}")
    for name, (first, step) in SOURCES.items():
        for seen, ahead in AHEAD:
            row = measure(curves[name], first, step, seen, ahead)
            rows.append({"source": name, "seen": seen, "ahead": ahead, **row})
            print(
                f"{name:18}{seen:6}{ahead:6}x{row['curves']:6}{row['band_percent']:10.1f}%"
                f"{row['error_points']:8.2f}{row['log_linear_error_points']:12.2f}"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
