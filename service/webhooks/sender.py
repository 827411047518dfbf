"""Sends one webhook and reads little of the answer; no redirects, proxies or reused connections."""

import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import httpcore2
import httpx2

from service.webhooks.addresses import UrlRules
from service.webhooks.connections import NotConnected, PinnedBackend, Resolver, resolve
from service.webhooks.ports import SendResult

CONNECT_SECONDS = 5.0
OVERALL_SECONDS = 15.0
READ_BYTES_LIMIT = 16 * 1024
EXCERPT_BYTES_LIMIT = 512


class WebhookSender:
    """May be shared by threads. `backend` opens connections to addresses that were checked."""

    def __init__(
        self,
        rules: UrlRules,
        *,
        resolver: Resolver = resolve,
        backend: httpcore2.NetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        overall_seconds: float = OVERALL_SECONDS,
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._backend = backend or httpcore2.SyncBackend()
        self._ssl_context = ssl_context or httpx2.create_ssl_context(trust_env=False)
        self._connect_seconds = connect_seconds
        self._overall_seconds = overall_seconds

    def send(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> SendResult:
        """POST once and return the result; network failures are results, not exceptions."""
        started = time.monotonic()
        try:
            status, retry_after, excerpt = self._post(url, body, headers, started)
        except NotConnected as error:
            return SendResult(None, error.code, _milliseconds_since(started))
        except (httpcore2.TimeoutException, TimeoutError):
            return SendResult(None, "timeout", _milliseconds_since(started))
        except (httpcore2.NetworkError, OSError) as error:
            code = "tls_failed" if _is_tls(error) else "connection_failed"
            return SendResult(None, code, _milliseconds_since(started))
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol):
            return SendResult(None, "protocol_error", _milliseconds_since(started))
        return SendResult(status, None, _milliseconds_since(started), retry_after, excerpt)

    def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], started: float
    ) -> tuple[int, str, str]:
        parsed = httpx2.URL(url)
        target = httpcore2.URL(
            scheme=parsed.raw_scheme,
            host=parsed.raw_host,
            port=parsed.port,
            target=parsed.raw_path,
        )
        with (
            self._pool(started + self._overall_seconds) as pool,
            pool.stream(
                "POST",
                target,
                headers=_headers(parsed, headers),
                content=body,
                extensions={"timeout": self._timeouts()},
            ) as response,
        ):
            found = {name.lower(): value for name, value in response.headers}
            retry_after = found.get(b"retry-after", b"").decode("latin-1")
            return response.status, retry_after, _excerpt(response.iter_stream())

    def _pool(self, deadline: float) -> httpcore2.ConnectionPool:
        """Return a pool for one request: a reused connection could outlive its address check."""
        return httpcore2.ConnectionPool(
            ssl_context=self._ssl_context,
            max_keepalive_connections=0,
            retries=0,
            network_backend=PinnedBackend(
                self._backend, self._resolver, rules=self._rules, deadline=deadline
            ),
        )

    def _timeouts(self) -> dict[str, float]:
        overall = self._overall_seconds
        return {
            "connect": self._connect_seconds,
            "read": overall,
            "write": overall,
            "pool": overall,
        }


def _headers(url: httpx2.URL, headers: Mapping[str, str]) -> list[tuple[bytes | str, bytes | str]]:
    return [
        ("host", url.netloc),
        ("user-agent", "Tunecurve-Webhooks/1"),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        *headers.items(),
    ]


def _excerpt(chunks: Iterable[bytes]) -> str:
    """Read 16 KiB at most, and keep the first 512 bytes as text without NUL (PostgreSQL)."""
    read = b""
    # the status has come: a body that breaks off or drips does not change what it said
    with suppress(httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        for chunk in chunks:
            read += chunk
            if len(read) >= READ_BYTES_LIMIT:
                break
    return read[:EXCERPT_BYTES_LIMIT].decode("utf-8", "ignore").replace("\x00", "")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
