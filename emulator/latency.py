"""How long a generation takes: lognormal around a median, the same for the same call and seed."""

from math import exp

from emulator.draws import normal, unit
from emulator.settings import Settings


def delay_seconds(settings: Settings, *, digest: bytes, attempt: int) -> float:
    """Return the delay of a call in real seconds; with `latency_sigma` 0 it is the median itself.

    A call that hangs takes `hang_seconds` more. `attempt` counts the sendings of the same call.
    """
    seconds = settings.latency_seconds
    if seconds and settings.latency_sigma:
        draw = normal(settings.seed, "latency", digest, attempt)
        seconds *= exp(settings.latency_sigma * draw)
    if settings.hang_rate and unit(settings.seed, "hang", digest, attempt) < settings.hang_rate:
        seconds += settings.hang_seconds
    return seconds
