"""Aliases: set, moved only to a model that is not shown to be worse, deleted."""

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict, Fault, Invalid, NotFound
from service.ids import Prefix, new_id
from service.jobs.ports import InputNotReady
from service.model_registry import repository
from service.model_registry.models import Alias, AliasMove
from service.model_registry.promotion import compare_models
from service.model_registry.schemas import AliasChange, AliasView, ModelComparison
from service.projects.schemas import Principal
from service.storage.ports import ObjectStore
from service.tuning.queries import ready_model


def set_alias(
    name: str,
    change: AliasChange,
    *,
    principal: Principal,
    catalogue: Catalogue,
    sessions: Sessions,
    store: ObjectStore,
) -> AliasView:
    """Have an alias stand for a model; a second call changes nothing.

    Without `force` it moves only where both models were evaluated on the same test rows by the
    same metric and the new one is not shown to be worse. Raises NotFound `model_not_found`,
    Invalid `alias_is_base_model`, and Conflict `not_ready`, `not_compared`, `alias_not_moved`, or
    `alias_moved` where another call was faster.
    """
    if catalogue.find(name) is not None:
        message = f"{name} names a base model of the catalogue: choose another name"
        fault = Fault("/name", "alias_is_base_model", message)
        raise Invalid(message, code="alias_is_base_model", faults=[fault])
    project_id = principal.project_id
    with sessions.reading() as session:
        _require_ready(session, change.model, project_id)
        row = repository.find(session, name, project_id=project_id)
        previous = row.model_id if row else None
    comparison = None
    if previous not in {None, change.model} and not change.force:
        comparison = compare_models(
            change.model, str(previous), project_id=project_id, sessions=sessions, store=store
        )
        if comparison.verdict == "worse":
            raise _not_moved(name, change.model, str(previous), comparison)
    with sessions.transaction() as session:
        return _move(session, name, change, previous, comparison, principal)


def _require_ready(session: Session, model_id: str, project_id: str) -> None:
    try:
        ready_model(model_id, project_id=project_id, session=session)
    except InputNotReady as error:
        raise Conflict(f"{model_id} is still being made", code="not_ready") from error


def _not_moved(name: str, model: str, previous: str, found: ModelComparison) -> Conflict:
    interval = "" if found.low is None else f" (95 % interval {found.low:.4g} to {found.high:.4g})"
    p_value = "" if found.p_value is None else f", p = {found.p_value:.3g}"
    message = (
        f"{name} stays at {previous}: on the {found.rows} test rows of {found.dataset} {model} "
        f"scores {found.difference:+.4g} {found.metric}{interval}{p_value}, which shows it to be "
        "worse; `force` moves the alias nevertheless"
    )
    return Conflict(message, code="alias_not_moved")


def _move(
    session: Session,
    name: str,
    change: AliasChange,
    previous: str | None,
    comparison: ModelComparison | None,
    principal: Principal,
) -> AliasView:
    now = utc_now()
    row = repository.find(session, name, project_id=principal.project_id, lock=True)
    if (row.model_id if row else None) != previous:
        message = f"{name} has moved meanwhile: look at it again"
        raise Conflict(message, code="alias_moved")
    if row is None:
        row = Alias(
            name=name, project_id=principal.project_id, model_id=change.model, updated_at=now
        )
        repository.add(session, row)
    elif row.model_id == change.model:
        return present_alias(row)
    row.model_id, row.updated_at = change.model, now
    _note(session, row, previous, comparison, principal, model=change.model, forced=change.force)
    return present_alias(row)


def delete_alias(name: str, *, principal: Principal, sessions: Sessions) -> None:
    """Delete an alias; its history stays. Raises NotFound `alias_not_found`."""
    with sessions.transaction() as session:
        row = repository.find(session, name, project_id=principal.project_id, lock=True)
        if row is None:
            raise NotFound(f"no alias {name}", code="alias_not_found")
        _note(session, row, row.model_id, None, principal, model=None, forced=False)
        repository.remove(session, row)


def _note(
    session: Session,
    row: Alias,
    previous: str | None,
    comparison: ModelComparison | None,
    principal: Principal,
    *,
    model: str | None,
    forced: bool,
) -> None:
    repository.add(
        session,
        AliasMove(
            id=new_id(Prefix.ALIAS_MOVE),
            project_id=row.project_id,
            name=row.name,
            model_id=model,
            previous_id=previous,
            forced=forced,
            comparison=comparison.model_dump(mode="json") if comparison else None,
            key_id=principal.key_id,
            created_at=utc_now(),
        ),
    )


def present_alias(row: Alias) -> AliasView:
    return AliasView(name=row.name, model=row.model_id, updated_at=row.updated_at)
