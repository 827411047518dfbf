"""Run the emulator: `python -m emulator --port 0`."""

import argparse
import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvicorn

from emulator.app import create_app
from emulator.connections import OwnConnections, own_hosts
from emulator.errors import GoogleError
from emulator.settings import Settings, change_settings, flag_types

_HEADER = ("X-Tunecurve-Emulator", "synthetic")
# Longer than clients keep theirs (aiohttp: 15 s), so that none sends a call into a connection that
# is closed at that moment: the client could not know whether it was read.
_KEEP_ALIVE_SECONDS = 75


class EmulatorServer(uvicorn.Server):
    """Reports on standard output when it accepts connections, and ends with its parent."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        address: str,
        parent_pid: int | None,
        scratch: Path | None,
    ) -> None:
        super().__init__(config)
        self._address = address
        self._parent_pid = parent_pid
        self._scratch = scratch
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._parent_pid is not None:
            self._watch = asyncio.create_task(self._end_with_parent(self._parent_pid))
        sys.stdout.write(f"emulator listening on {self._address}\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop and delete the temporary folder; then uvicorn ends the process by its signal."""
        await super().shutdown(sockets)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    async def _end_with_parent(self, parent_pid: int) -> None:
        while os.getppid() == parent_pid:  # noqa: ASYNC110  (no event reports a parent's death)
            await asyncio.sleep(1)
        self.should_exit = True


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # what it keeps is its user's own
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    settings = _settings(options)
    listener = _listen(options.host, options.port)
    scratch = None if options.state else Path(tempfile.mkdtemp(prefix="tunecurve-emulator-"))
    app = create_app(scratch or options.state, settings=settings, hosts=own_hosts(options.host))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="on",
        http=OwnConnections,
        ws="none",
        proxy_headers=False,
        headers=[_HEADER],
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=0,
    )
    server = EmulatorServer(
        config,
        address=f"http://{options.host}:{port}",
        parent_pid=options.parent_pid,
        scratch=scratch,
    )
    server.run([listener])


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket.

    The protocol is named because asyncio (3.11) sets TCP_NODELAY only on sockets that name it;
    without, each answer over a kept connection waits 40 ms for a delayed acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: getattr(options, name) for name in flag_types()}
    return change_settings(
        Settings(), {name: value for name, value in given.items() if value is not None}
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--state", type=Path, help="folder for its state; without it, a temporary one"
    )
    parser.add_argument("--parent-pid", type=int, help="end when this parent process has died")
    for name, flag_type in flag_types().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=flag_type, default=None)
    return parser


if __name__ == "__main__":
    try:
        main()
    except GoogleError as error:
        sys.exit(error.message)
