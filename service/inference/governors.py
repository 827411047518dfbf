"""What holds back the calls of one process: a governor for each quota, and the limits of a run."""

from collections.abc import Callable

from service.catalogue.local_names import LOCAL
from service.inference.governor import quota_key, quota_of
from service.inference.ports import CallLimits, Flow, Governor
from service.inference.redis_governor import RedisGovernor
from service.settings import Settings

LOCAL_BATCH = 32  # requests that a model on this machine answers at once
_LOCAL_SECONDS = 24 * 3600.0  # a call waits for the batches before it, and no provider bills for it


def call_limits(settings: Settings, *, local: bool) -> CallLimits:
    """Return the limits of a run; of a local model one batch is read while another is answered."""
    return CallLimits(
        in_flight=2 * LOCAL_BATCH if local else settings.calls_in_flight,
        attempts=settings.call_attempts,
        timeout_seconds=_LOCAL_SECONDS if local else settings.call_timeout_seconds,
        hedging=settings.hedge_stragglers and not local,
        billed=not local,
        synthetic=settings.emulated,
    )


class Governors:
    """Opens a governor when its quota is first used; endpoints share their base model's."""

    def __init__(self, settings: Settings, *, redis_url: str) -> None:
        self._settings, self._redis_url = settings, redis_url
        self._opened: dict[str, Governor] = {}

    @property
    def opened(self) -> tuple[Governor, ...]:
        return tuple(self._opened.values())

    def of(self, project: str, location: str, base_model: str) -> Governor:
        """Return the governor of calls of a base model, or of models tuned from it, at a place of a
        Google Cloud project.
        """
        if location == LOCAL:
            return Unpaced()
        settings = self._settings
        key = quota_key(project, location=location, base_model=base_model)
        if key not in self._opened:
            quota = quota_of(settings, location=location, base_model=base_model)
            self._opened[key] = RedisGovernor(self._redis_url, key=key, quota=quota)
        return self._opened[key]


class Unpaced:
    """The governor of calls that no quota counts: each starts at once."""

    async def acquire(
        self,
        _flow: Flow,
        *,
        tokens: Callable[[], int],
        first: bool = False,  # noqa: ARG002  the port's
    ) -> int:
        return tokens()

    def release(self, _flow: Flow, *, estimated: int, used: int) -> None:
        """Nothing was held."""

    async def refused(self, *, hold_seconds: float = 0.0) -> None:
        """It never refuses."""

    async def park(self, seconds: float) -> None:
        """There is no quota of a day."""

    async def close(self) -> None:
        """Nothing was opened."""
