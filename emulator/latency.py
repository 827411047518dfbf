"""How long a generation takes: lognormal around a median, the same for the same call and seed."""

from math import exp

from emulator.draws import normal, unit
from emulator.settings import Settings


def delay_seconds(settings: Settings, *, digest: bytes, attempt: int) -> tuple[float, float]:
    """Return how long a call hangs before anything comes, and how long its answer takes then.

    Both in real seconds; with `latency_sigma` 0 the latter is the median itself. `attempt` counts
    the sendings of the same call.
    """
    seconds = settings.latency_seconds
    if seconds and settings.latency_sigma:
        draw = normal(settings.seed, "latency", digest, attempt)
        seconds *= exp(settings.latency_sigma * draw)
    hangs = settings.hang_rate and _hangs(settings, digest, attempt)
    return (settings.hang_seconds if hangs else 0.0), seconds


def _hangs(settings: Settings, digest: bytes, attempt: int) -> bool:
    return unit(settings.seed, "hang", digest, attempt) < settings.hang_rate
