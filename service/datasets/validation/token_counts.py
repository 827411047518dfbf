"""About how many tokens a text is, and how far from the truth that is. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.tokens import CHARACTERS_PER_TOKEN

# Bytes in place of characters: languages beyond ASCII take more tokens a character.
BYTES_PER_TOKEN = CHARACTERS_PER_TOKEN
UNMEASURED_ERROR = 0.35
FEWEST_COUNTED = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """`tokens = factor x bytes / 4`, and rarely off by more than `error` of that in sum.

    `sample` is how many texts the provider counted; 0 means that the error is our own guess, and
    `not_counted` says why. `synthetic`: an emulator has counted.
    """

    factor: float = 1.0
    error: float = UNMEASURED_ERROR
    sample: int = 0
    not_counted: str = ""
    synthetic: bool = False

    def tokens(self, size_bytes: float) -> float:
        return self.factor * size_bytes / BYTES_PER_TOKEN


def calibrate(sizes: Sequence[int], counted: Sequence[int]) -> Calibration:
    """Return what a sample of texts teaches: their sizes in bytes, their true tokens.

    The factor is the ratio of sums (the classical ratio estimator, Cochran, "Sampling
    Techniques", chapter 6); the error is twice its relative standard error. Nothing is learnt
    from fewer than five texts, from empty ones, or from counts that are no counts.
    """
    if len(sizes) < FEWEST_COUNTED or not sum(sizes):
        return Calibration(not_counted=f"fewer than {FEWEST_COUNTED} examples to count")
    if len(counted) != len(sizes) or sum(counted) <= 0:
        return Calibration(not_counted="the provider's counts make no sense")
    ratio = sum(counted) / sum(sizes)
    residuals = [true - ratio * size for size, true in zip(sizes, counted, strict=True)]
    spread = math.sqrt(sum(each * each for each in residuals) / (len(sizes) - 1))
    error = 2 * spread / math.sqrt(len(sizes)) / (sum(counted) / len(sizes))
    return Calibration(factor=ratio * BYTES_PER_TOKEN, error=round(error, 4), sample=len(sizes))
