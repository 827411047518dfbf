"""Who may talk to the emulator: it asks for no key, so it answers its own user's programs only."""

import asyncio
import os
import socket
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from emulator.errors import GoogleError
from emulator.socket_owners import can_tell_owners, peer_uids

_ROOT = 0
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class OwnConnections(HttpToolsProtocol):
    """A connection; one from another user's program on this machine is refused.

    Linux says whose a socket is; elsewhere, and from other machines, all are taken.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not is_own(transport.get_extra_info("socket")):
            transport.write(_FORBIDDEN)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)


def is_own(connection: socket.socket) -> bool:
    """Return whether this user, or root, holds the other end of a connection."""
    peer = ip_address(str(connection.getpeername()[0]))
    if not (peer.is_loopback and can_tell_owners()):
        return True
    return not peer_uids(connection).isdisjoint({os.getuid(), _ROOT})


class OwnRequests:
    """Refuses what a web page makes a browser send: from another site, or to a name of its own.

    `hosts` are the names it goes by; empty means any, for one that serves other machines.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := self._refusal(Headers(scope=scope))):
            error = GoogleError(403, reason, status="PERMISSION_DENIED")
            await JSONResponse(error.body(), status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> str:
        host = headers.get("host", "")
        if self._hosts and _name_of(host) not in self._hosts:
            return "The emulator does not go by the name in the header Host."
        if "origin" in headers and headers["origin"] != f"http://{host}":
            return "The emulator answers no other site's pages."
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "The emulator answers no other site's pages."
        return ""


def _name_of(host: str) -> str:
    """Return a Host header without its port and brackets."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.strip("[]").lower()


def own_hosts(host: str) -> frozenset[str]:
    """Return the names of a server that listens on `host`."""
    return _LOCAL_HOSTS | {host} if host in _LOCAL_HOSTS else frozenset()
