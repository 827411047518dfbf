"""How often the overfitting rule is wrong: healthy curves that raise it, overfitted that do not.

    .venv/bin/python -m bench.statistics.overfitting [--curves 2000]

Every curve is looked at after each of its points, as the service does while a tuning runs: one
alarm at any look counts. Healthy curves fall to a plateau, overfitted ones turn at a third of
their length and rise to 30 % above their lowest loss. Noise is normal and independent.
The named alternative is the plain rule of many trainers: the loss is above its lowest for three
evaluations in a row.
"""

import argparse
from collections.abc import Callable, Sequence
from math import exp

import numpy as np

from service.tuning.curves.overfitting import Curve, find_overfitting

_PATIENCE = 3
_RISE = 0.3
_NOISES, _LENGTHS = (0.0, 0.01, 0.03, 0.1), (6, 8, 12, 30, 100)

Rule = Callable[[Curve, Curve], bool]


def ours(train: Curve, validation: Curve) -> bool:
    return find_overfitting(train, validation) is not None


def patience(_train: Curve, validation: Curve) -> bool:
    """Return whether the lowest loss lies three evaluations back."""
    losses = [loss for _, loss in validation]
    return len(losses) - 1 - losses.index(min(losses)) >= _PATIENCE


def healthy(count: int) -> list[float]:
    return [0.5 + exp(-5 * i / count) for i in range(count)]


def overfitted(count: int) -> list[float]:
    """Return losses that are lowest at a third, and at last higher by `_RISE` of that."""
    turn = count / 3
    low = 0.5
    falling = [low + exp(-6 * i / turn) for i in range(count)]
    return [
        loss + low * _RISE * max(0.0, (i - turn) / (count - 1 - turn))
        for i, loss in enumerate(falling)
    ]


def raised(
    rule: Rule, shape: Sequence[float], *, noise: float, curves: int, rng: np.random.Generator
) -> float:
    """Return the share of noisy curves of a shape that raise a rule at any look."""
    train = [(step, exp(-0.1 * step)) for step in range(len(shape))]
    count = 0
    for _ in range(curves):
        losses = np.asarray(shape) + rng.normal(0, noise, len(shape)) * 0.5
        seen: list[tuple[int, float]] = [(step, float(loss)) for step, loss in enumerate(losses)]
        count += any(rule(train[:n], seen[:n]) for n in range(1, len(seen) + 1))
    return count / curves


def main() -> None:
    """Print the shares of alarms by noise and number of points."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--curves", type=int, default=2000)
    curves = parser.parse_args().curves
    rng = np.random.default_rng(7)
    print("| noise, of the plateau | points | false alarms | patience 3 | found | patience 3 |")
    print("|---:|---:|---:|---:|---:|---:|")
    for noise in _NOISES:
        for points in _LENGTHS:
            shares = [
                raised(rule, shape(points), noise=noise, curves=curves, rng=rng)
                for shape in (healthy, overfitted)
                for rule in (ours, patience)
            ]
            print(f"| {noise:.0%} | {points} | " + " | ".join(f"{s:.1%}" for s in shares) + " |")


if __name__ == "__main__":
    main()
