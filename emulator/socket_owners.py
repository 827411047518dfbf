"""Whose socket is at the other end of a connection that ends on this machine (Linux)."""

import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID = 1, 2, 7  # columns of those tables, see proc(5)

# One question to the kernel, see sock_diag(7): reading the tables instead takes 10 ms each time.
_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST = 4, 20, 1
_ANY_STATE, _ANY_INTERFACE, _ANY_COOKIE = 0xFFFFFFFF, 0, b"\xff" * 8
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_QUERY = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_PORTS = struct.Struct("!HH")
_PLACE = struct.Struct("=16s16sI8s")  # addresses, interface, cookie
_UID_OFFSET = _HEADER.size + 4 + _PORTS.size + _PLACE.size + 12
_ANSWER_BYTES = 4096


def can_tell_owners() -> bool:
    return _TABLES[0].exists()


def peer_uids(connection: socket.socket) -> set[int]:
    """Return the user who holds the other end; nothing where that end is gone."""
    uid = _asked_uid(connection)
    if uid is not None:
        return {uid}
    peer, own = connection.getpeername()[1], connection.getsockname()[1]
    return {uid for local, remote, uid in _listed() if (local, remote) == (peer, own)}


def _asked_uid(connection: socket.socket) -> int | None:
    """Return None where the kernel does not answer, or knows no such socket."""
    family, peer, own = connection.family, connection.getpeername(), connection.getsockname()
    addresses = [socket.inet_pton(family, str(each[0])) for each in (peer, own)]
    body = (
        _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ANY_STATE)
        + _PORTS.pack(peer[1], own[1])
        + _PLACE.pack(*addresses, _ANY_INTERFACE, _ANY_COOKIE)
    )
    length = _HEADER.size + len(body)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
            kernel.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0) + body)
            answer = kernel.recv(_ANSWER_BYTES)
    except OSError:
        return None
    is_socket = _HEADER.unpack_from(answer)[1] == _SOCK_DIAG_BY_FAMILY
    return (
        int.from_bytes(answer[_UID_OFFSET : _UID_OFFSET + 4], sys.byteorder) if is_socket else None
    )


def _listed() -> Iterator[tuple[int, int, int]]:
    """Yield local port, remote port and user of each TCP connection that ends on this machine."""
    for table in _TABLES:
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                yield _port(columns[_LOCAL]), _port(columns[_REMOTE]), int(columns[_UID])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
