"""Retirements of base models: when, and whom it concerns. Announced once by an event."""

from datetime import date, datetime

from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.model_registry import repository
from service.model_registry.models import AnnouncedRetirement
from service.model_registry.schemas import Retirement
from service.projects.operations import lock_project
from service.tuning.queries import ReadyModel, ready_models_of, tuned_base_models
from service.webhooks.event_log import record_event
from service.webhooks.events import EventType

DUE_DAYS = 90  # to tune again on another model, to compare, and to move what calls it


def retirement_of(base_model: str, *, catalogue: Catalogue, today: date) -> Retirement | None:
    """Return when a base model retires, by the catalogue; None where no date is known. Pure."""
    lifecycle = catalogue.entry(base_model).lifecycle
    day = (lifecycle.retired or lifecycle.retires) if lifecycle else None
    if lifecycle is None or day is None:
        return None
    days_left = (day - today).days
    when = f"on {day}, in {days_left} days" if days_left > 0 else f"on {day}"
    words = "retired" if lifecycle.retired or days_left <= 0 else "retires"
    return Retirement(
        retires=day,
        days_left=days_left,
        due=days_left <= DUE_DAYS,
        message=f"{base_model} {words} {when}: models tuned from it answer no more then",
        source=lifecycle.source,
        as_of=lifecycle.as_of,
    )


def announce_retirements(now: datetime, *, catalogue: Catalogue, sessions: Sessions) -> None:
    """Record an event for each model whose base model retires within 90 days, once a date."""
    with sessions.reading() as session:
        due = {
            name: retirement
            for name in tuned_base_models(session)
            if (retirement := retirement_of(name, catalogue=catalogue, today=now.date()))
            and retirement.due
        }
        models = [
            model
            for model in ready_models_of(session, list(due))
            if not repository.is_announced(session, model.id, due[model.base_model].retires)
        ]
    for model in models:
        _announce(model, due[model.base_model], now=now, sessions=sessions)


def _announce(
    model: ReadyModel, retirement: Retirement, *, now: datetime, sessions: Sessions
) -> None:
    with sessions.transaction() as session:
        lock_project(session, model.project_id)  # another ticker may be about to write it
        if repository.is_announced(session, model.id, retirement.retires):
            return
        row = AnnouncedRetirement(model_id=model.id, retires=retirement.retires, announced_at=now)
        repository.add(session, row)
        record_event(
            session,
            project_id=model.project_id,
            type=EventType.MODEL_RETIREMENT_DUE,
            job_id=None,
            data={
                "model": model.id,
                "base_model": model.base_model,
                "retires": retirement.retires.isoformat(),
                "days_left": retirement.days_left,
            },
        )
