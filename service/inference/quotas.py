"""Quotas: which one is configured for a model, and how each of them stands."""

from dataclasses import replace
from datetime import UTC, datetime

from service.inference.pace import Quota
from service.inference.schemas import QuotaView
from service.settings import QuotaSetting, Settings


def quota_of(settings: Settings, *, location: str, base_model: str) -> Quota:
    """Return the quota of a model: `location/base_model` before `base_model` before all."""
    named = settings.quotas
    own = named.get(f"{location}/{base_model}") or named.get(base_model) or QuotaSetting()
    general = Quota(
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        burst_seconds=settings.burst_seconds,
        in_flight=settings.fleet_calls_in_flight,
    )
    return replace(general, **own.model_dump(exclude_none=True))


def quota_key(project: str, *, location: str, base_model: str) -> str:
    """Return the name of one quota: Google counts per project, location and base model."""
    return f"quota:{project}/{location}/{base_model}"


def list_quotas(redis_url: str) -> list[QuotaView]:
    """Return the quotas that were used in the last week; raises Unavailable without Redis."""
    from service.inference.redis_governor import QuotaState, read_states

    def view(state: QuotaState) -> QuotaView:
        location, base_model = state.key.split("/", 2)[1:]
        return QuotaView(
            location=location,
            base_model=base_model,
            requests_per_minute=round(state.rate * 60, 1),
            ceiling=round(state.ceiling * 60, 1) or None,
            tokens_per_minute=round(state.tokens_per_second * 60, 1) or None,
            slow_start=state.failing_rate == 0,
            last_cut_at=_moment(state.cut_at),
            parked_until=_moment(state.parked_until),
            waiting=state.waiting,
            in_flight=state.in_flight,
            in_flight_limit=state.cap or None,
            processes=state.processes,
            seen_at=datetime.fromtimestamp(state.seen_at, UTC),
        )

    return [view(state) for state in read_states(redis_url)]


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
