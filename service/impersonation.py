"""Credentials of a service account that the installation's own identity impersonates.

Imported where an adapter is built: the API starts without google-auth.
"""

import json
from functools import lru_cache
from typing import Any

import google.auth
from google.auth import impersonated_credentials
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.oauth2.credentials import Credentials as FixedToken

from service.errors import UNREADABLE, ProviderRefused, Unavailable

EMULATED = "http://"  # how an emulator's address begins; any other is Google's
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_NOT_FOUND = 404
_REFUSALS = frozenset({400, 401, 403, _NOT_FOUND})


class ImpersonationError(RefreshError):
    """The installation's own identity may not act as a service account; says what is missing."""


class ServiceAccountCredentials(Credentials):
    """Short-lived tokens of a service account, from the IAM Service Account Credentials API.

    `emulator` is an emulator's address, or empty for Google. It wraps google-auth's own class,
    which looks up access boundaries at Google in the background, also with an emulator's token.
    """

    def __init__(self, account: str, emulator: str) -> None:
        """Raises DefaultCredentialsError where the process has no credentials of its own."""
        super().__init__()  # type: ignore[no-untyped-call]  # it ships no types
        self._account = account
        self._tokens: Any = impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
            source_credentials=_own_credentials(emulator),
            target_principal=account,
            target_scopes=[_SCOPE],
            iam_endpoint_override=_emulated_address(account, emulator),
        )

    def refresh(self, request: Any) -> None:
        """Raises ImpersonationError, and TransportError where a later call may work."""
        try:
            self._tokens.refresh(request)
        except RefreshError as error:
            raise _translated(error, self._account) from error
        except UNREADABLE as error:
            raise _no_token(self._account) from error
        self.token, self.expiry = self._tokens.token, self._tokens.expiry


def credentials_of(account: str, endpoint: str) -> ServiceAccountCredentials:
    """Return the credentials of an account, which all clients of this process share.

    A token is fetched with the first call and again shortly before it expires, after an hour.
    """
    return _shared(account, _emulator(endpoint))


def require_token(account: str, endpoint: str) -> None:
    """Ask for a token of an account now. Raises ProviderRefused and Unavailable."""
    from google.auth.transport.requests import Request

    try:
        ServiceAccountCredentials(account, _emulator(endpoint)).refresh(Request())
    except TransportError as error:
        message = f"Google gave no answer about {account}; try again"
        raise Unavailable(message, code="provider_unavailable") from error
    except ImpersonationError as error:
        raise ProviderRefused(str(error), code="impersonation_refused") from error
    except GoogleAuthError as error:
        message = "no Google credentials of the installation's own, or Google refuses them"
        raise ProviderRefused(message, code="provider_credentials") from error


@lru_cache(maxsize=256)
def _shared(account: str, emulator: str) -> ServiceAccountCredentials:
    return ServiceAccountCredentials(account, emulator)


def _emulator(endpoint: str) -> str:
    return endpoint.rstrip("/") if endpoint.startswith(EMULATED) else ""


def _own_credentials(emulator: str) -> Any:
    if emulator:
        return FixedToken(token="emulator")  # type: ignore[no-untyped-call]  # noqa: S106  no secret
    return google.auth.default(scopes=[_SCOPE])[0]


def _emulated_address(account: str, emulator: str) -> str | None:
    if not emulator:
        return None
    return f"{emulator}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"


def _translated(error: RefreshError, account: str) -> GoogleAuthError:
    """Return what a refusal means; what comes from the own credentials' server stays as it is."""
    answer = error.args[1] if len(error.args) > 1 else None
    if not isinstance(answer, str):
        return error
    status = _status(answer)
    if status not in _REFUSALS:
        return _no_token(account)
    if status == _NOT_FOUND:
        return ImpersonationError(f"there is no service account {account}")  # type: ignore[no-untyped-call]
    message = (
        f"this installation may not act as the service account {account}: give its own identity "
        "roles/iam.serviceAccountTokenCreator on that account, and enable the API "
        "iamcredentials.googleapis.com"
    )
    return ImpersonationError(message)  # type: ignore[no-untyped-call]


def _no_token(account: str) -> TransportError:
    return TransportError(f"no token of the service account {account} now")  # type: ignore[no-untyped-call]


def _status(answer: str) -> int | None:
    try:
        return int(json.loads(answer)["error"]["code"])
    except UNREADABLE:
        return None
