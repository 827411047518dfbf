"""How long a generation takes: lognormal around a median, the same sequence for a seed."""

from math import exp
from random import Random

from emulator.settings import Settings


class Latency:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  (a simulated delay, nothing secret)

    def next_seconds(self, settings: Settings) -> float:
        """Return the next delay; with `latency_sigma` 0 it is the median itself."""
        if not settings.latency_seconds or not settings.latency_sigma:
            return settings.latency_seconds
        return settings.latency_seconds * exp(settings.latency_sigma * self._random.gauss(0, 1))
