"""GET requests to the Hugging Face hub and its redirects, only to public addresses."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from service.errors import Invalid, NotFound, Unavailable
from service.files.contents import limited
from service.webhooks.addresses import UrlRules, check_url, may_connect
from service.webhooks.connections import Resolver, resolve

_OK = 200
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (401, 403, 404, 410)  # the hub says 401 for what is not there or not public
_REDIRECTS_FOLLOWED = 5
_SECONDS = 60.0  # to connect, between two reads
_JSON_BYTES = 32 << 20
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HubClient:
    """`rules` say where connections may go, for the hub and for every address it redirects to.

    No key is sent: only public datasets are read. Nothing is read from the environment.
    """

    endpoint: str = "https://huggingface.co"
    rules: UrlRules = field(default_factory=UrlRules)
    resolver: Resolver = resolve

    def json(self, path: str) -> Any:
        """Return the JSON at a path of the hub; raises like `chunks`."""
        try:
            return json.loads(self.read(path, limit_bytes=_JSON_BYTES))
        except (ValueError, RecursionError):
            raise Unavailable("the hub did not answer in JSON", code="hub_unavailable") from None

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        return b"".join(limited(self.chunks(path), limit_bytes=limit_bytes))

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the bytes at a path of the hub, following redirects.

        Raises NotFound `object_not_found`, Unavailable, Invalid `url_not_allowed`.
        """
        url = self.endpoint + path
        for _ in range(_REDIRECTS_FOLLOWED):
            with self._response(url) as response:
                if response.status == _OK:
                    yield from _body(response)
                    return
                url = _next(url, response)
        raise Unavailable("the hub redirects without end", code="hub_unavailable")

    @contextmanager
    def _response(self, url: str) -> Iterator[HTTPResponse]:
        check_url(url, rules=self.rules)
        parsed = urlsplit(url)
        connection = _CheckedConnection(url, self.rules, self.resolver)
        target = parsed.path + (f"?{parsed.query}" if parsed.query else "")
        try:
            connection.request("GET", target, headers={"user-agent": "Tunecurve/1"})
            with connection.getresponse() as response:
                yield response
        except (OSError, HTTPException) as error:
            raise Unavailable("the hub cannot be reached", code="hub_unavailable") from error
        finally:
            connection.close()


def _body(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the whole body; the standard library is silent about one that breaks off."""
    promised, read = response.length, 0
    while piece := response.read(_PIECE_BYTES):
        read += len(piece)
        yield piece
    if promised is not None and read != promised:
        raise HTTPException("the answer broke off")


def _next(url: str, response: HTTPResponse) -> str:
    """Return the address of a redirect, or raise the error of the answer."""
    if response.status in _GONE:
        raise NotFound("the hub has no such public dataset or file", code="object_not_found")
    location = response.getheader("location")
    if response.status in _REDIRECTS and location:
        return urljoin(url, location)
    raise Unavailable(f"the hub answered {response.status}", code="hub_unavailable")


class _CheckedConnection(HTTPConnection):
    """Resolves a name once, checks every address, and connects to one of these addresses."""

    def __init__(self, url: str, rules: UrlRules, resolver: Resolver) -> None:
        parsed = urlsplit(url)
        self._secure = parsed.scheme == "https"
        port = parsed.port or (443 if self._secure else 80)
        super().__init__(parsed.hostname or "", port, timeout=_SECONDS)
        self._rules = rules
        self._resolver = resolver

    def connect(self) -> None:
        self.sock = self._open_socket()
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def _open_socket(self) -> socket.socket:
        addresses = [ip_address(each) for each in self._resolver(self.host, self.port)]
        if not all(may_connect(each, self.port, self._rules) for each in addresses):
            message = "the hub's name or a redirect leads to an address that is not public"
            raise Invalid(message, code="url_not_allowed")
        error: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((str(address), self.port), _SECONDS)
            except OSError as failed:
                error = failed
        raise error or OSError("the name has no address")
