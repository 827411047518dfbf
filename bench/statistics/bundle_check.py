"""The difference of two variants of a bundle, recomputed without the service: NumPy and sacreBLEU.

    python bench/statistics/bundle_check.py BUNDLE [FIRST SECOND]

Prints the difference and the 95 % interval of a paired cluster bootstrap, beside what the bundle
says. Groups are drawn with replacement (Field and Welsh, Bootstrapping clustered data, 2007); the
deviation of the draws is the standard error, and Student's t with the effective number of groups
less one (Kish 1965) gives the width. Percentiles of the draws, also when they are expanded for few
groups, hold the true difference too seldom where groups differ in size (`coverage.py`). Without
names: the size that stands for tuning against the best prompt.
"""

import json
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sacrebleu
from scipy.stats import t

RESAMPLES = 2000
BLEU_RESAMPLES = 400  # each scores a corpus twice
Rows = Sequence[Mapping[str, Any]]
Total = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Check:
    """A difference by the bundle and by this script, each with the ends of its interval."""

    first: str
    second: str
    stated: tuple[float, float, float]
    found: tuple[float, float, float]
    groups: int

    @property
    def agrees(self) -> bool:
        """Whether the differences are equal, and both or neither interval leaves 0 out."""
        same = abs(self.stated[0] - self.found[0]) < 0.05  # noqa: PLR2004  as it is printed
        return same and _leaves_out_zero(self.stated) == _leaves_out_zero(self.found)


def check_bundle(file: str, names: Sequence[str] = ()) -> Check:
    """Compare two variants of a bundle by its rows alone."""
    with zipfile.ZipFile(file) as archive:
        experiment = json.loads(archive.read("experiment.json"))
        curve = experiment["curve"]
        decision = curve["decision"]
        chosen = next(
            each["name"]
            for each in curve["points"]
            if each["train_size"] == decision["candidate_size"]
        )
        first, second = names or (chosen, decision["best_prompt"])
        rows = {
            each["name"]: json.loads(archive.read(f"{each['evaluation']}.rows.json"))
            for each in experiment["variants"]
            if each["name"] in {first, second}
        }
    groups = np.unique([row["group"] for row in rows[first]], return_inverse=True)[1]
    totals = [_total(rows[name], experiment["metric"]) for name in (first, second)]
    many = BLEU_RESAMPLES if experiment["metric"] == "sacrebleu" else RESAMPLES
    stated = next(
        each if each["first"] == first else _reversed(each)
        for each in curve["comparisons"]
        if {each["first"], each["second"]} == {first, second}
    )
    return Check(
        first,
        second,
        (stated["difference"], stated["low"], stated["high"]),
        _bootstrap(totals, groups, many),
        int(groups.max()) + 1,
    )


def _bootstrap(
    totals: Sequence[Total], groups: np.ndarray, many: int
) -> tuple[float, float, float]:
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    whole = np.arange(len(groups))
    drawn = []
    for _ in range(many):
        chosen = rng.integers(0, len(members), len(members))
        places = np.concatenate([members[group] for group in chosen])
        drawn.append(totals[0](places) - totals[1](places))
    difference = totals[0](whole) - totals[1](whole)
    sizes = np.array([len(each) for each in members])
    return difference, *bootstrap_ends(difference, np.array(drawn), sizes)


def bootstrap_ends(difference: float, drawn: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a difference by its draws; `sizes` are rows a group."""
    freedom = max(1.0, sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum() - 1)
    half = float(t.ppf(0.975, freedom) * drawn.std(ddof=1))
    return difference - half, difference + half


def _total(rows: Rows, metric: str) -> Total:
    """Return the score of the rows at some places."""
    if metric == "sacrebleu":
        answers = [row["answer"] for row in rows]
        golds = [row["references"][0] for row in rows]
        return lambda places: (
            sacrebleu.corpus_bleu(
                [answers[place] for place in places], [[golds[place] for place in places]]
            ).score
        )
    if metric == "json_field_f1":
        counts = np.array([_counts(row["answer"], row["references"][0]) for row in rows])
        return lambda places: _f1(counts[places].sum(axis=0))
    earned = np.array([row["scores"][metric] for row in rows], dtype=float)
    return lambda places: float(earned[places].mean())


def _counts(answer: str, reference: str) -> tuple[int, int, int]:
    given, wanted = _fields(answer), _fields(reference)
    return (given & wanted).total(), given.total(), wanted.total()


def _fields(text: str) -> Counter[tuple[str, str]]:
    """Return the keys of a flat JSON object with their values."""
    try:
        found = json.loads(text)
    except ValueError:
        return Counter()
    return Counter((key, json.dumps(value)) for key, value in found.items())


def _f1(counts: np.ndarray) -> float:
    shared, given, wanted = (float(each) for each in counts)
    return 200 * shared / (given + wanted) if given + wanted else 100.0


def _reversed(each: Mapping[str, Any]) -> dict[str, Any]:
    return {"difference": -each["difference"], "low": -each["high"], "high": -each["low"]}


def _leaves_out_zero(ends: tuple[float, float, float]) -> bool:
    return ends[1] > 0 or ends[2] < 0


if __name__ == "__main__":
    print(check_bundle(sys.argv[1], sys.argv[2:]))
