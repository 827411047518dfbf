"""A connection that goes only to addresses that were checked, and ends at a deadline.

The name is resolved once and the connection goes to the address that was checked, so a name
that resolves differently in between (DNS rebinding) has no effect. TLS still verifies the name.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any

import httpcore2

from service.webhooks.addresses import Address, UrlRules, may_connect

_ADDRESSES_TRIED = 3

Resolver = Callable[[str, int], Sequence[str]]


class NotConnected(Exception):  # noqa: N818  not an error: a decision
    """No connection was made; `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class PinnedBackend(httpcore2.NetworkBackend):
    """Resolves, checks every address, and connects to one of those: never to a name."""

    def __init__(
        self,
        backend: httpcore2.NetworkBackend,
        resolver: Resolver,
        *,
        rules: UrlRules,
        deadline: float,
    ) -> None:
        self._backend = backend
        self._resolver = resolver
        self._rules = rules
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        error: Exception | None = None
        for address in self._checked(host, port)[:_ADDRESSES_TRIED]:
            seconds = _seconds_left(self._deadline, timeout)
            try:
                stream = self._backend.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                error = failed
            else:
                return _DeadlineStream(stream, self._deadline)
        raise error or NotConnected("name_not_resolved")

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        raise NotConnected("address_not_allowed")

    def _checked(self, host: str, port: int) -> list[str]:
        """Return the addresses; if one is not allowed, refuse all: a mixed answer is an attack."""
        addresses = [_address(text) for text in self._resolved(host, port)]
        if not all(may_connect(address, port, self._rules) for address in addresses):
            raise NotConnected("address_not_allowed")
        return list(dict.fromkeys(str(address) for address in addresses))

    def _resolved(self, host: str, port: int) -> Sequence[str]:
        """Resolve in a thread: the system's resolver has no timeout of its own."""
        answers: SimpleQueue[Sequence[str]] = SimpleQueue()

        def resolve_name() -> None:
            try:
                answers.put(self._resolver(host, port))
            except (OSError, UnicodeError):
                answers.put(())

        threading.Thread(target=resolve_name, daemon=True, name="webhook-resolver").start()
        try:
            return answers.get(timeout=_seconds_left(self._deadline))
        except Empty:
            raise httpcore2.ConnectTimeout from None


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise NotConnected("name_not_resolved") from None


def _seconds_left(deadline: float, timeout: float | None = None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left if timeout is None else min(left, timeout)


class _DeadlineStream(httpcore2.NetworkStream):
    """Bounds the whole exchange: httpcore's timeouts are for one read, and slow drips pass them."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _seconds_left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _seconds_left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        seconds = _seconds_left(self._deadline, timeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
