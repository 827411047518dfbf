"""The limits of calls that the settings ask for; of those to models here, what suits a batch."""

from service.inference.ports import CallLimits
from service.settings import Settings

LOCAL_BATCH = 32  # requests that a model here answers at once
_LOCAL_SECONDS = 24 * 3600.0  # a call waits for the batches before it, and no provider bills for it


def call_limits(settings: Settings, *, local: bool) -> CallLimits:
    """Return the limits of a run; of a local model one batch is read while another is answered."""
    return CallLimits(
        in_flight=2 * LOCAL_BATCH if local else settings.calls_in_flight,
        attempts=settings.call_attempts,
        timeout_seconds=_LOCAL_SECONDS if local else settings.call_timeout_seconds,
        hedging=settings.hedge_stragglers and not local,
    )
