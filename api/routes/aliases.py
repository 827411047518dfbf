"""Aliases: names that stand for models, and move only to one that is not shown to be worse."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from api.auth import Reader, Writer
from api.dependencies import AfterAliasMove, Limit, Services
from api.openapi import WITH_BODY, answers, example_of, page_example, problems
from api.pagination import Page, page_of
from service.ids import ALIAS_PATTERN
from service.model_registry import operations, queries
from service.model_registry.schemas import AliasChange, AliasMoveView, AliasView

router = APIRouter(prefix="/v1/aliases", tags=["models"])

AliasName = Annotated[
    str, Path(pattern=ALIAS_PATTERN, description="name of the alias", examples=["pii@best"])
]


@router.get(
    "",
    operation_id="listAliases",
    summary="List aliases by name",
    responses=answers(page_example(example_of(AliasView))),
)
def list_aliases(
    request: Request,
    principal: Reader,
    container: Services,
    after: Annotated[
        str | None, Query(max_length=128, description="the last name of the page before")
    ] = None,
    limit: Limit = 20,
) -> Page[AliasView]:
    """Those of the project."""
    found = queries.list_aliases(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    return page_of(found, limit=limit, cursor=lambda alias: alias.name, request=request)


@router.get(
    "/{alias}",
    operation_id="getAlias",
    summary="Look at an alias",
    responses=answers(example_of(AliasView), 404),
)
def get_alias(alias: AliasName, principal: Reader, container: Services) -> AliasView:
    """Which model it stands for now."""
    return queries.get_alias(alias, project_id=principal.project_id, sessions=container.sessions)


@router.put(
    "/{alias}",
    operation_id="setAlias",
    summary="Have an alias stand for a model",
    responses=answers(example_of(AliasView), *WITH_BODY, 404, 409),
)
def set_alias(
    alias: AliasName,
    change: AliasChange,
    request: Request,
    principal: Writer,
    container: Services,
) -> AliasView:
    """An alias that stands for another model moves only if both were evaluated on the same test
    rows by the same metric and the new one is not shown to be worse. `force` moves it in any
    case, and the audit trail says so.
    """
    request.state.made = f"{change.model} forced" if change.force else change.model
    return operations.set_alias(
        alias,
        change,
        principal=principal,
        catalogue=container.catalogue,
        sessions=container.sessions,
        store=container.store,
    )


@router.delete(
    "/{alias}",
    operation_id="deleteAlias",
    summary="Delete an alias; its history stays",
    status_code=204,
    responses=problems(404),
)
def delete_alias(alias: AliasName, principal: Writer, container: Services) -> None:
    """The model that it stood for stays."""
    operations.delete_alias(alias, principal=principal, sessions=container.sessions)


@router.get(
    "/{alias}/history",
    operation_id="listAliasMoves",
    summary="List the moves of an alias, newest first",
    responses=answers(page_example(example_of(AliasMoveView)), 404),
)
def list_moves(
    alias: AliasName,
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterAliasMove = None,
    limit: Limit = 20,
) -> Page[AliasMoveView]:
    """With the comparison behind each, also of an alias that was deleted."""
    found = queries.list_moves(
        alias,
        project_id=principal.project_id,
        after=after,
        limit=limit + 1,
        sessions=container.sessions,
    )
    return page_of(found, limit=limit, cursor=lambda move: move.id, request=request)
