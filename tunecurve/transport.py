"""Requests over HTTP: keys, retries, problem documents."""

import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tunecurve.errors import ApiError, ConfigurationError, UnreachableError
from tunecurve.whole_files import written_whole

Json = dict[str, Any]
Params = Mapping[str, str | int]
Draw = Callable[[float, float], float]

RETRIED_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
LONGEST_PAUSE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.25
_CEILING_SECONDS = 8.0
_CONNECT_SECONDS = 5.0
_draw: Draw = secrets.SystemRandom().uniform
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_AGENT = "tunecurve-client"


@dataclass(frozen=True, slots=True)
class Polled:
    """What a look has found: None where nothing has changed since the last one."""

    found: Json | None
    etag: str | None
    retry_seconds: float | None


class Transport:
    """Sends requests to one server; the only place that knows the HTTP library."""

    def __init__(self, url: str, key: str | None, *, timeout_seconds: float, retries: int) -> None:
        self._url = url
        self._retries = retries
        self._http = httpx2.Client(
            base_url=_checked(url),
            headers=_headers(key),
            timeout=_timeout(timeout_seconds),
            # A company's proxy would take requests to this very machine away from it.
            trust_env=urlsplit(url).hostname not in _LOOPBACK,
        )

    def close(self) -> None:
        self._http.close()

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Json | None = None,
        file: Path | None = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool = True,
        timeout_seconds: float | None = None,
    ) -> Json:
        """Send one request and return the JSON object of the answer ({} where there is none).

        `replayable`: sending it twice equals sending it once, so a connection that breaks while
        the answer is on its way is tried again; one that never opened always is.
        `timeout_seconds` are for an answer that takes longer than others.
        """
        timeout = self._http.timeout if timeout_seconds is None else _timeout(timeout_seconds)

        def attempt() -> httpx2.Response:
            if file is None:
                return self._http.request(
                    method, path, params=params, json=body, headers=headers, timeout=timeout
                )
            with file.open("rb") as content:
                return self._http.request(
                    method, path, params=params, content=content, headers=headers, timeout=None
                )

        response = self._attempted(attempt, replayable=replayable)
        return {} if response.status_code == httpx2.codes.NO_CONTENT else self._parsed(response)

    def poll(self, path: str, *, etag: str | None) -> Polled:
        """Look at an object again; one that still has this `etag` is not sent."""
        headers = {"if-none-match": etag} if etag else None
        response = self._attempted(
            lambda: self._http.request("GET", path, headers=headers), replayable=True
        )
        unchanged = response.status_code == httpx2.codes.NOT_MODIFIED
        return Polled(
            None if unchanged else self._parsed(response),
            etag=response.headers.get("etag"),
            retry_seconds=_seconds(response.headers.get("retry-after")),
        )

    def events(
        self, method: str, path: str, *, body: Json, timeout_seconds: float
    ) -> Iterator[tuple[str, Json]]:
        """Send one request, never twice, and yield name and data of the events of its answer.

        Raises UnreachableError where the connection breaks: what came is then not all.
        """
        timeout = _timeout(timeout_seconds)
        try:
            with self._http.stream(method, path, json=body, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    raise _problem(response)
                yield from _events_of(response.iter_lines())
        except ValueError as error:
            raise self.odd_answer() from error
        except httpx2.RequestError as error:
            raise self._unreachable(error) from error

    def download(self, path: str, *, to: Path, params: Params | None = None) -> None:
        """Stream the response body into `to`, which is replaced only by a complete file."""

        def attempt() -> httpx2.Response:
            with self._http.stream("GET", path, params=params) as response:
                if response.is_success:
                    with written_whole(to) as file:
                        file.writelines(response.iter_bytes())
                else:
                    response.read()
                return response

        self._attempted(attempt, replayable=True)

    def _attempted(
        self, attempt: Callable[[], httpx2.Response], *, replayable: bool
    ) -> httpx2.Response:
        for number in itertools.count():
            is_last = number >= self._retries
            try:
                response = attempt()
            except httpx2.RequestError as error:
                pause = retry_pause(number)
                if is_last or pause is None or not _may_resend(error, replayable=replayable):
                    raise self._unreachable(error) from error
            else:
                if response.is_success or response.status_code == httpx2.codes.NOT_MODIFIED:
                    return response
                pause = retry_pause(number, retry_after=response.headers.get("retry-after"))
                if is_last or pause is None or response.status_code not in RETRIED_STATUSES:
                    raise _problem(response)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = str(error) or type(error).__name__
        return UnreachableError(f"no answer from {self._url}: {reason}")

    def _parsed(self, response: httpx2.Response) -> Json:
        try:
            parsed = response.json()
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise self.odd_answer()
        return parsed

    def odd_answer(self) -> UnreachableError:
        """Return the error for an answer of something else, such as a proxy's login page."""
        return UnreachableError(f"{self._url} answered, but not as a Tunecurve server does")


def retry_pause(
    attempt: int, *, retry_after: str | None = None, draw: Draw = _draw
) -> float | None:
    """Return the seconds to wait after failed attempt number `attempt` (from 0), full jitter.

    A `Retry-After` in seconds is honoured and jittered on top, so that many clients do not come
    back at once. None: the server asks for a pause longer than LONGEST_PAUSE_SECONDS.
    """
    jitter = draw(0, min(_CEILING_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt))
    requested = _seconds(retry_after)
    if requested is None:
        return jitter
    return None if requested > LONGEST_PAUSE_SECONDS else requested + jitter / 4


def _seconds(retry_after: str | None) -> float | None:
    # The other form, an HTTP date, counts as absent: the pause is then only shorter.
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else None


def _may_resend(error: httpx2.RequestError, *, replayable: bool) -> bool:
    return replayable or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"{url!r} is not the URL of a server, such as http://127.0.0.1:8765"
        )
    return url


def _headers(key: str | None) -> dict[str, str]:
    headers = {"user-agent": _AGENT}
    if key is None:
        return headers
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("the API key holds characters that no key has; copy it again")
    return {**headers, "authorization": f"Bearer {key}"}


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)


def _events_of(lines: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """Yield name and data of server-sent events; comments are left out."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _problem(response: httpx2.Response) -> ApiError:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    problem = body if isinstance(body, dict) else {}
    return ApiError.of(
        {"title": response.reason_phrase} | problem | {"status": response.status_code}
    )
