"""Gemini and the evaluation service over Vertex AI's REST protocol: a thin aiohttp client of
`generateContent` and `evaluateInstances`.

Google's own client costs ten times the CPU per call and answers slower than a quota of a
few hundred calls per second requires; the protocol is one POST.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from service.catalogue.locations import endpoint_of, location_of
from service.clock import utc_now
from service.inference.generators.messages import (
    encoded,
    merged_answer,
    piece_of,
    read_answer,
    text_of,
    with_estimates,
)
from service.inference.ports import (
    EVALUATION_SERVICE,
    Generation,
    GenerationRequest,
    Outcome,
)
from service.inference.retry import CallFailed, Refusal, classify, without_echo

EMULATOR_HEADER = "X-Tunecurve-Emulator"

_OK = 200
_REFUSED_TOKENS = frozenset({401, 403})
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_EARLY = timedelta(minutes=5)


@lru_cache(maxsize=256)  # the same for all rows of an evaluation
def url_of(
    location: str, name: str, project: str, endpoint: str = "", verb: str = "generateContent"
) -> URL:
    """Return where a call goes: an endpoint is served only where its own name says."""
    if own := location_of(name):
        location = own
    else:
        name = f"projects/{project}/locations/{location}/publishers/google/models/{name}"
    return URL(f"{endpoint_of(location, emulator=endpoint)}/v1/{name}:{verb}")


class GoogleToken:
    """One token for all calls of an event loop; at most one refresh runs at a time.

    It is a service account's, or the process's own where `account` is empty.
    """

    def __init__(self, account: str = "", endpoint: str = "") -> None:
        self._account, self._endpoint = account, endpoint
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

    def drop(self) -> None:
        """Forget the token, which was refused: the next call gets a fresh one."""
        self._renew_at = datetime.min.replace(tzinfo=UTC)

    def _refresh(self) -> None:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        from service.impersonation import ImpersonationError

        try:
            credentials = self._credentials or self._default()
            credentials.refresh(Request())
        except TransportError as error:
            message = "no connection to Google's token server"
            raise CallFailed(Refusal.TRANSIENT, message, sent=False) from error
        except DefaultCredentialsError as error:
            raise _refused("no Google credentials on this machine") from error
        except ImpersonationError as error:
            raise _refused(str(error)) from error
        except GoogleAuthError as error:
            if error.retryable:
                message = "Google's token server is away"
                raise CallFailed(Refusal.TRANSIENT, message, sent=False) from error
            raise _refused("Google refuses these credentials") from error
        self._credentials, self._token = credentials, str(credentials.token)
        self._renew_at = _expiry(credentials) - _EARLY

    def _default(self) -> Any:
        import google.auth

        from service.impersonation import credentials_of

        if self._account:
            return credentials_of(self._account, self._endpoint)
        return google.auth.default(scopes=[_SCOPE])[0]


@dataclass(frozen=True, slots=True)
class _Link:
    """Connections and token of one event loop."""

    session: aiohttp.ClientSession
    token: GoogleToken


class VertexGenerator:
    """Calls of one Google Cloud project. `endpoint` empty means Google; an `http://` one is an
    emulator and gets a fixed token. With an `account`, calls are that service account's. An
    attempt takes at most `timeout_seconds`.
    """

    def __init__(
        self, *, project: str, endpoint: str = "", account: str = "", timeout_seconds: float = 60
    ) -> None:
        self._project, self._account = project, account
        self._endpoint = endpoint
        self._timeout_seconds = timeout_seconds
        # Links are never dropped unclosed: after a fork they belong to the parent's event loop,
        # and their clean-up would reach into the parent's epoll.
        self._links: dict[asyncio.AbstractEventLoop, _Link] = {}

    async def generate(self, request: GenerationRequest) -> Generation:
        """Ask the target: a model or, as EVALUATION_SERVICE, that service (`_evaluate`)."""
        if request.target == EVALUATION_SERVICE:
            return await self._evaluate(request)
        async with self._answer(request, "generateContent") as response:
            answer = await response.read()
        generation = _parsed(answer, synthetic=EMULATOR_HEADER in response.headers)
        return with_estimates(generation, request)

    async def _evaluate(self, request: GenerationRequest) -> Generation:
        """Have texts scored: the text of a request is the body as JSON, that of its Generation the
        body of the answer. The service counts no tokens: they are our estimate.
        """
        [turn] = request.contents
        home = f"projects/{self._project}/locations/{request.location}"
        url = url_of(request.location, home, self._project, self._endpoint, "evaluateInstances")
        async with self._post(url, turn.text.encode(), texts=request.texts) as response:
            answer = await response.read()
        return Generation(
            Outcome.OK,
            text=answer.decode(errors="replace"),
            prompt_tokens=request.estimated_prompt_tokens,
            synthetic=EMULATOR_HEADER in response.headers,
            uncounted=True,
        )

    async def stream(
        self, request: GenerationRequest, *, emit: Callable[[str], None]
    ) -> Generation:
        pieces: list[dict[str, Any]] = []
        async with self._answer(request, "streamGenerateContent?alt=sse") as response:
            async for line in response.content:
                if piece := piece_of(line):
                    pieces.append(piece)
                    if text := text_of(piece):
                        emit(text)
        merged = merged_answer(pieces)
        if merged is None:
            raise CallFailed(Refusal.TRANSIENT, "the answer broke off")
        return with_estimates(
            read_answer(merged, synthetic=EMULATOR_HEADER in response.headers), request
        )

    @asynccontextmanager
    async def _answer(
        self, request: GenerationRequest, verb: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = url_of(request.location, request.target, self._project, self._endpoint, verb)
        async with self._post(url, encoded(request), texts=request.texts) as response:
            yield response

    @asynccontextmanager
    async def _post(
        self, url: URL, data: bytes, *, texts: Sequence[str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an accepted call's response; raises CallFailed for any other, and while it is
        read. No message of it repeats one of `texts`.
        """
        link = self._link()
        headers = {
            "Authorization": f"Bearer {await self._token(link)}",
            "Content-Type": "application/json",
        }
        try:
            async with link.session.post(
                url, data=data, headers=headers, allow_redirects=False
            ) as response:
                if response.status != _OK:
                    await self._refuse(response, texts, link)
                yield response
        except TimeoutError as error:
            message = f"no answer within {self._timeout_seconds:g} s"
            raise CallFailed(Refusal.TRANSIENT, message) from error
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            message = f"the connection failed: {type(error).__name__}"
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            raise CallFailed(Refusal.TRANSIENT, message, reached=False, sent=sent) from error

    async def _refuse(
        self, response: aiohttp.ClientResponse, texts: Sequence[str], link: _Link
    ) -> NoReturn:
        if response.status in _REFUSED_TOKENS:
            link.token.drop()
        failure = classify(response.status, await response.read(), response.headers)
        raise without_echo(failure, texts)

    async def close(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link:
            await link.session.close()

    async def _token(self, link: _Link) -> str:
        is_open = self._emulated and not self._account
        return "emulator" if is_open else await link.token.get()

    @property
    def _emulated(self) -> bool:
        return self._endpoint.startswith("http://")

    def _link(self) -> _Link:
        loop = asyncio.get_running_loop()
        if loop not in self._links:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `CallLimits.in_flight` is the limit
                cookie_jar=aiohttp.DummyCookieJar(),  # no request needs cookies
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
                trust_env=not self._emulated,  # a proxy may stand before Google
            )
            self._links[loop] = _Link(session, GoogleToken(self._account, self._endpoint))
        return self._links[loop]


def _parsed(answer: bytes, *, synthetic: bool) -> Generation:
    try:
        body = json.loads(answer)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        error = "the answer is not a JSON object"
        return Generation(Outcome.UNPARSABLE, error=error, synthetic=synthetic)
    return read_answer(body, synthetic=synthetic)


def _expiry(credentials: Any) -> datetime:
    """google-auth has naive UTC; credentials without an expiry are refreshed in five minutes."""
    expiry: datetime | None = credentials.expiry
    return expiry.replace(tzinfo=UTC) if expiry else utc_now() + 2 * _EARLY


def _refused(message: str) -> CallFailed:
    return CallFailed(Refusal.PERMANENT, message, status=401, meets_every_call=True)
