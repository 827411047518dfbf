"""Counts the tokens of texts by Vertex AI's countTokens, through Google's own client.

Importing that client costs 1.3 s and 80 MB: it is imported when the first texts are counted.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from service.catalogue.locations import endpoint_of
from service.errors import (
    UNREADABLE,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TunecurveError,
    Unavailable,
)
from service.http_statuses import may_pass
from service.inference.operations import loop_thread

_ATTEMPT_SECONDS = 10
_SECONDS = 30  # for all texts: counts only refine an estimate
_NOT_FOUND, _TOO_MANY = 404, 429


class VertexTokenCounter:
    """Counts by a base model's tokenizer, where `locate` says that it answers; `endpoint` is an
    emulator's `http://…`, or empty for Google, `account` a service account to call as, or empty.
    """

    def __init__(
        self,
        *,
        project: str,
        locate: Callable[[str], str],
        endpoint: str = "",
        account: str = "",
    ) -> None:
        self._project, self._locate = project, locate
        self._endpoint, self._account = endpoint, account

    @property
    def synthetic(self) -> bool:
        return self._endpoint.startswith("http://")

    def count(self, texts: Sequence[str], *, model: str) -> list[int]:
        """Return the tokens of each text. No retries; at most 30 s in all.

        Counting is free and has its own quota, apart from that of generation.
        Raises Unavailable, RateLimited, Forbidden, NotFound, Invalid; none holds any text.
        """
        return loop_thread().run(self._count(texts, model))

    async def _count(self, texts: Sequence[str], model: str) -> list[int]:
        from google.auth.exceptions import GoogleAuthError
        from google.genai.errors import APIError

        from service.impersonation import ImpersonationError

        try:
            async with asyncio.timeout(_SECONDS), aiohttp.ClientSession() as session:
                client = self._client(session, self._locate(model)).aio
                # One after another: twenty texts take two seconds, which is soon enough.
                return [await _tokens(client, text, model) for text in texts]
        except APIError as error:
            raise _refused(error.code) from None
        except ImpersonationError as error:
            raise Forbidden(str(error), code="impersonation_refused") from error
        except GoogleAuthError as error:
            message = "no Google credentials that may count tokens"
            raise Forbidden(message, code="provider_credentials") from error
        except (aiohttp.ClientError, OSError, *UNREADABLE) as error:
            message = f"Vertex AI did not count: {type(error).__name__}"
            raise Unavailable(message, code="provider_unavailable") from None

    def _client(self, session: aiohttp.ClientSession, location: str) -> Any:
        from google.genai import Client, types

        options = types.HttpOptions(
            base_url=endpoint_of(location, emulator=self._endpoint),
            api_version="v1",
            timeout=_ATTEMPT_SECONDS * 1000,
            retry_options=types.HttpRetryOptions(attempts=1),
            aiohttp_client=session,
        )
        return Client(
            enterprise=True,
            project=self._project,
            location=location,
            credentials=self._credentials(),
            http_options=options,
        )

    def _credentials(self) -> Any:
        """Return None where the client finds those of the process."""
        from google.oauth2.credentials import Credentials

        from service.impersonation import credentials_of

        if self._account:
            return credentials_of(self._account, self._endpoint)
        return Credentials(token="emulator") if self.synthetic else None  # type: ignore[no-untyped-call]  # noqa: S106  no secret


async def _tokens(client: Any, text: str, model: str) -> int:
    counted = await client.models.count_tokens(model=model, contents=text)
    if counted.total_tokens is None:
        raise ValueError("an answer without a count")
    return int(counted.total_tokens)


def _refused(status: int) -> TunecurveError:
    """Return what a status means; the provider's own words may repeat what it was sent."""
    message = f"Vertex AI answered {status}"
    if status == _TOO_MANY:
        return RateLimited(message, code="provider_quota")
    if status == _NOT_FOUND:
        return NotFound(message, code="model_not_found")
    if may_pass(status):
        return Unavailable(message, code="provider_unavailable")
    if status in (401, 403):
        return Forbidden(message, code="provider_forbidden")
    return Invalid(message, code="provider_refused")
