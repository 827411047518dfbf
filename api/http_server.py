"""How uvicorn serves the application: our protocol, no proxy trusted but those named, and several
processes that accept from one socket, as one interpreter uses one core.
"""

import multiprocessing
import resource
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import wait
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.http_protocol import bounded_protocol
from service.settings import Settings

SHUTDOWN_SECONDS = 5  # event streams last up to 15 minutes
# Longer than proxies keep theirs, so that none sends a request into a connection that we close.
_KEEP_ALIVE_SECONDS = 75
_OTHER_FILES = 256  # of the database, uploads, libraries


def server_config(
    app: FastAPI,
    settings: Settings,
    *,
    host: str,
    port: int,
    shutdown_seconds: int = SHUTDOWN_SECONDS,
) -> uvicorn.Config:
    """Return what `uvicorn.Server` runs with."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=bounded_protocol(
            connections=settings.connections_limit, head_seconds=settings.head_seconds
        ),
        ws="none",
        forwarded_allow_ips=list(settings.trusted_proxies),
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=shutdown_seconds,
    )


def allow_open_files(connections: int) -> None:
    """Raise this process's limit of open files, as far as the system lets it."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def run_processes(count: int, serve: Callable[[socket.socket], None], opened: socket.socket) -> int:
    """Run `serve` in `count` processes until one ends or a signal comes; return the exit status.

    The others are then asked to stop: the supervisor of this process starts all of them anew.
    """
    fork = multiprocessing.get_context("fork")  # what has been imported is shared
    processes = [fork.Process(target=serve, args=(opened,)) for _ in range(count)]
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for process in processes:
            process.terminate()

    for process in processes:
        process.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    wait([process.sentinel for process in processes])
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
    return 0 if asked else 1
