"""A port for a server that takes a number only: until the block ends no other program gets it."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that is bound but does not listen.

    A server that sets SO_REUSEADDR, as they do, may bind it beside us (Linux). A port that is
    only looked up and left may be any other program's before the server has started.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, 0))
        yield int(held.getsockname()[1])
