"""TCP ports of this machine: a free one, or whether a chosen one is free."""

import errno
import socket
import time

from tunecurve.errors import ConfigurationError

_PAUSE_SECONDS = 0.1


def choose_port(port: int, *, host: str, patience_seconds: float = 0) -> int:
    """Return the port if it is free, or any free one for 0.

    Raises ConfigurationError naming a port that is still taken after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with socket.create_server((host, port)) as server:
                return int(server.getsockname()[1])
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            if time.monotonic() >= deadline:
                raise ConfigurationError(
                    f"port {port} cannot be used ({error.strerror}); choose another with --port "
                    "(0 picks a free one)"
                ) from error
        time.sleep(_PAUSE_SECONDS)
