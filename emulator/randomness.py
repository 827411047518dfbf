"""Repeatable random numbers: a draw depends on the seed and its facts, not on the order."""

import hashlib
from statistics import NormalDist

_NORMAL = NormalDist()
_RANGE = 1 << 53


def unit(seed: int, *facts: object) -> float:
    """Return a number above 0 and below 1, the same for the same seed and facts on any machine."""
    digest = hashlib.blake2b(repr((seed, *facts)).encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) / _RANGE


def normal(seed: int, *facts: object) -> float:
    """Return a draw from the standard normal distribution."""
    return _NORMAL.inv_cdf(unit(seed, *facts))
