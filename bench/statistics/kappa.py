"""How often 95 % intervals of kappa hold the truth, ours and the jackknife's; simulated.

    PYTHONPATH=. python bench/statistics/kappa.py [--trials N] [--seed N]    # eight minutes

Two judgements on two or five levels that differ by chance, by one level, or between the ends of
the scale. Rows are independent, or in groups of five, where every second row is its group's.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.agreement import kappa_estimate
from service.evaluation.statistics.distributions import student_quantile
from service.evaluation.statistics.intervals import Array, jackknife_error, sum_by_group
from service.evaluation.statistics.kappa import kappas

SHARES: dict[str, tuple[float, ...]] = {
    "2 levels, even": (0.5, 0.5),
    "2 levels, skewed": (0.85, 0.15),
    "5 levels, even": (0.2,) * 5,
    "5 levels, skewed": (0.05, 0.05, 0.15, 0.35, 0.4),
}
DIFFER = ("chance", "one level", "ends")  # the same for two levels, but for their shares
KAPPAS, ROWS = (0.2, 0.6, 0.9), (30, 100, 300)
GROUP = 5
_STEPS = 60


@dataclass(frozen=True)
class Case:
    """Two judges of things; `table` has the shares of each pair of levels."""

    name: str
    table: Array
    kappa: float
    rows: int
    grouped: bool


def cases() -> Iterator[Case]:
    for name, shares in SHARES.items():
        for differ in DIFFER if len(shares) > len(DIFFER) else DIFFER[:1]:
            for kappa in KAPPAS:
                table = _table(np.array(shares), differ, kappa)
                if table is not None:
                    for rows, grouped in product(ROWS, (False, True)):
                        yield Case(f"{name}, by {differ}", table, kappa, rows, grouped)


def _table(shares: Array, differ: str, kappa: float) -> Array | None:
    """Return a table of this kappa, or None where judgements that differ so have a higher one."""
    agreed, apart = np.diag(shares), _apart(shares, differ)
    if kappas(apart) > kappa:
        return None
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        part = (low + high) / 2
        is_higher = kappas((1 - part) * agreed + part * apart) > kappa
        low, high = (part, high) if is_higher else (low, part)
    table: Array = (1 - low) * agreed + low * apart
    return table


def _apart(shares: Array, differ: str) -> Array:
    """Return the table of judgements of which all may differ."""
    levels = len(shares)
    table: Array = np.outer(shares, shares)
    if differ == "one level":
        table = np.diag(shares[:-1], 1) + np.diag(shares[1:], -1)
    elif differ == "ends":
        table = np.zeros((levels, levels))
        table[0, -1] = table[-1, 0] = 1
    found: Array = table / table.sum()
    return found


def draw(case: Case, rng: np.random.Generator) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return both judgements of each row, and its group."""
    flat = case.table.ravel()
    cells = rng.choice(len(flat), case.rows, p=flat / flat.sum())
    groups = np.arange(case.rows)
    if case.grouped:
        groups = groups // GROUP
        shared = rng.choice(len(flat), groups[-1] + 1, p=flat / flat.sum())[groups]
        cells = np.where(np.arange(case.rows) % 2, cells, shared)
    one, other = np.divmod(cells, len(case.table))
    return one, other, groups


def covered(case: Case, *, trials: int, seed: int) -> tuple[float, float, float]:
    """Return how many intervals of a hundred hold the truth, ours and the jackknife's, and how
    wide ours are on average. Where kappa is not defined there is none, and nothing is counted.
    """
    rng = np.random.default_rng(seed)
    ours = plain = count = 0
    width = 0.0
    while count < trials:
        one, other, groups = draw(case, rng)
        found = kappa_estimate(one, other, groups, levels=len(case.table))
        if found.value is None or found.low is None or found.high is None:
            continue
        half = _jackknife_half(one, other, groups, levels=len(case.table))
        ours += found.low <= case.kappa <= found.high
        plain += abs(found.value - case.kappa) <= half
        width += found.high - found.low
        count += 1
    return 100 * ours / trials, 100 * plain / trials, width / trials


def _jackknife_half(one: Array, other: Array, groups: NDArray[np.int64], *, levels: int) -> float:
    cells = np.eye(levels * levels)[one * levels + other]
    found = sum_by_group(cells, groups=groups)
    error = jackknife_error(found.sums, lambda sums: kappas(sums.reshape(-1, levels, levels)))
    return student_quantile(0.975, freedom=found.freedom) * error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{'case':<40} {'rows':>4} {'kappa':>5} {'ours':>6} {'jackknife':>9} {'width':>6}")
    for at, case in enumerate(cases()):
        ours, plain, width = covered(case, trials=asked.trials, seed=asked.seed + at)
        name = f"{case.name}{', groups' if case.grouped else ''}"
        shown = f"{case.rows:>4} {case.kappa:>5} {ours:>6.1f} {plain:>9.1f} {width:>6.2f}"
        print(f"{name:<40} {shown}", flush=True)


if __name__ == "__main__":
    main()
