"""Access tokens for Google: the machine's default credentials, refreshed before they expire."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from service.clock import utc_now
from service.inference.retry import CallFailed, Refusal

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_EARLY = timedelta(minutes=5)


class GoogleToken:
    """One token for all calls of an event loop; at most one refresh runs at a time."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self._token = ""
        self._renew_at = datetime.min.replace(tzinfo=UTC)
        self._refreshing = asyncio.Lock()

    async def get(self) -> str:
        """Return a token good for five minutes more; raises CallFailed when there is none."""
        if utc_now() >= self._renew_at:
            async with self._refreshing:
                if utc_now() >= self._renew_at:
                    await asyncio.to_thread(self._refresh)
        return self._token

    def _refresh(self) -> None:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        try:
            credentials = self._credentials or self._default()
            credentials.refresh(Request())
        except TransportError as error:
            raise CallFailed(Refusal.TRANSIENT, "no connection to Google's token server") from error
        except DefaultCredentialsError as error:
            raise _refused("no Google credentials on this machine") from error
        except GoogleAuthError as error:
            if error.retryable:
                raise CallFailed(Refusal.TRANSIENT, "Google's token server is away") from error
            raise _refused("Google refuses these credentials") from error
        self._credentials, self._token = credentials, str(credentials.token)
        self._renew_at = _expiry(credentials) - _EARLY

    def _default(self) -> Any:
        import google.auth

        return google.auth.default(scopes=[_SCOPE])[0]


def _expiry(credentials: Any) -> datetime:
    """google-auth has naive UTC; credentials without an expiry are refreshed in five minutes."""
    expiry: datetime | None = credentials.expiry
    return expiry.replace(tzinfo=UTC) if expiry else utc_now() + 2 * _EARLY


def _refused(message: str) -> CallFailed:
    return CallFailed(Refusal.PERMANENT, message, status=401, meets_every_call=True)
