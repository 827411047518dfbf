"""Who is calling: a Bearer key, the project it opens and the scopes it has."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.dependencies import Services
from service.errors import Unauthenticated
from service.projects.operations import authenticate
from service.projects.schemas import Principal, Scope

_bearer = HTTPBearer(
    scheme_name="key",
    auto_error=False,
    description="An API key, such as `tunecurve_k3v9q2m7xa_…`; it opens one project.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


def caller(scopes: SecurityScopes, credentials: Credentials, container: Services) -> Principal:
    """Return whose key came; raises Unauthenticated, and Forbidden where a scope is missing."""
    if credentials is None:
        raise Unauthenticated("send the header `Authorization: Bearer` with an API key")
    principal = authenticate(credentials.credentials, sessions=container.sessions)
    for scope in scopes.scopes:
        principal.require(Scope(scope))
    return principal


async def recheck(
    scopes: SecurityScopes, credentials: Credentials, container: Services
) -> Callable[[], Principal]:
    """Return the check itself, for what lasts: the key may be revoked meanwhile."""
    return partial(caller, scopes, credentials, container)


Caller = Annotated[Principal, Security(caller)]
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]
Writer = Annotated[Principal, Security(caller, scopes=[Scope.WRITE.value])]
Admin = Annotated[Principal, Security(caller, scopes=[Scope.ADMIN.value])]
ReaderRecheck = Annotated[Callable[[], Principal], Security(recheck, scopes=[Scope.READ.value])]
WriterRecheck = Annotated[Callable[[], Principal], Security(recheck, scopes=[Scope.WRITE.value])]
