"""Every pair of near texts, by brute force that leaves out only what cannot be near."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from service.datasets.cleaning.near_duplicates import SHORTEST
from service.datasets.cleaning.shingles import jaccard, shingle_set


def exact_near_pairs(texts: Sequence[str], threshold: float) -> set[tuple[int, int]]:
    """Return the pairs of which the true Jaccard reaches the threshold: all of them, and no other.

    Only pairs that share one of their rarest runs are compared, which loses nothing: sets of n
    and m runs with a Jaccard of t share at least t x n of the n, so of any n - t x n + 1 of them
    at least one; and neither is shorter than t times the other (Chaudhuri, Ganti, Kaushik 2006,
    "A primitive operator for similarity joins", the prefix filter).
    """
    sets = [shingle_set(text) for text in texts]
    counts = Counter(run for each in sets for run in each)
    rows = [at for at, text in enumerate(texts) if len(text.encode()) >= SHORTEST]
    holders: dict[str, list[int]] = defaultdict(list)
    found: set[tuple[int, int]] = set()
    for row in sorted(rows, key=lambda at: len(sets[at])):
        own = sets[row]
        least = math.ceil(threshold * len(own) - 1e-9)
        rarest = sorted(own, key=lambda run: (counts[run], run))[: len(own) - least + 1]
        near = {other for run in rarest for other in holders[run] if len(sets[other]) >= least}
        for other in near:
            if jaccard(own, sets[other]) >= threshold:
                found.add((min(row, other), max(row, other)))
        for run in rarest:
            holders[run].append(row)
    return found
