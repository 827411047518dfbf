"""A process that imports once what ours import, and forks each of them: it runs a module at once.

Importing takes a worker, a ticker or an API a second of computing, and each child of a worker
another one for Google's clients and the libraries of tables. A test that looks for what a process
does not import starts it afresh. All test processes of a run share one, for the same reason.
Linux only, as it reads a whole message at a time.
"""

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import Any, NamedTuple

MODULES = (
    "service.inference.batches.aiplatform",  # first: what follows loads the parts of it
    "aiohttp",
    "anyio._backends._asyncio",
    "api.app",
    "celery.app.control",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "cffi.cparser",
    "emulator.app",
    "emulator.learners.tuned_model",
    "faker",
    "google.auth.transport.requests",
    *(
        f"google.cloud.aiplatform_v1.services.{name}_service"
        for name in ("endpoint", "job", "metadata", "model", "tensorboard")
    ),
    "google.cloud.storage",
    "kombu.matcher",
    "kombu.transport.redis",
    "numpy.ma",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.parquet",
    "redis.asyncio",
    "sacrebleu",
    "service.container",
    "service.datasets.preparation",
    "service.datasets.prepare_job",
    "service.inference.generators.vertex",
    "service.migrations.upgrade",
    "service.inference.batches.vertex",
    "service.tuning.providers.vertex",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn",
)
MESSAGE_BYTES = 1 << 17
SECONDS_TO_CONNECT = 60  # of who has started it
DESCRIPTORS = 3  # standard output, standard error, and where the exit status is written

Order = dict[str, Any]


def end_with_parent() -> None:
    """Let a killed test run take its processes along (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class ForkServer:
    """Forks a process for each message of a client, and says how each of them ended.

    What a client has forked ends with its connection, and the server with the last of them.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._clients: dict[int, socket.socket] = {}
        self._exits: dict[int, _Exit] = {}
        self._woken, self._waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> Order | None:
        """Return None in the server once no client is left, and its order in each new process."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waking)
        self._listening.settimeout(SECONDS_TO_CONNECT)
        self._accept()
        while self._clients:
            sources = [self._listening.fileno(), self._woken, *self._clients]
            ready, _, _ = select.select(sources, [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._listening.fileno() in ready:
                self._accept()
            for number in self._clients.keys() & set(ready):
                if order := self._answer(self._clients[number]):
                    return order
        return None

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        peer = client.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * array.array("i").itemsize
        )
        if array.array("i", peer)[1] != os.getuid():
            client.close()
            return
        self._clients[client.fileno()] = client
        _send_number(client, os.getpid())

    def _answer(self, client: socket.socket) -> Order | None:
        content = b""
        with contextlib.suppress(OSError):  # a client may be killed at any moment
            content, descriptors, _, _ = socket.recv_fds(client, MESSAGE_BYTES, DESCRIPTORS)
        if content:
            return self._fork(json.loads(content), descriptors, client)
        self._dismiss(client)
        return None

    def _dismiss(self, client: socket.socket) -> None:
        """End what a client has forked and is still there, and then the connection."""
        del self._clients[client.fileno()]
        for pid in [pid for pid, each in self._exits.items() if each.client is client]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(self._exits.pop(pid).status)
        client.close()

    def _fork(self, order: Order, descriptors: list[int], client: socket.socket) -> Order | None:
        output, errors, status = descriptors
        pid = os.fork()
        if not pid:
            self._leave()
            os.close(status)
            _take_on(order, output=output, errors=errors)
            return order
        self._exits[pid] = _Exit(status, client)
        os.close(output)
        os.close(errors)
        _send_number(client, pid)
        return None

    def _leave(self) -> None:
        """In the new process: keep nothing of the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        statuses = [each.status for each in self._exits.values()]
        for descriptor in (self._woken, self._waking, *statuses):
            os.close(descriptor)
        for opened in (self._listening, *self._clients.values()):
            opened.close()

    def _reap(self) -> None:
        for pid in list(self._exits):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                descriptor = self._exits.pop(pid).status
                with contextlib.suppress(OSError):
                    os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(descriptor)


class _Exit(NamedTuple):
    """Where the exit status of a process is written, and who is waiting for it."""

    status: int
    client: socket.socket


def _send_number(client: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        client.send(array.array("i", [number]).tobytes())


def _take_on(order: Order, *, output: int, errors: int) -> None:
    os.setsid()
    end_with_parent()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (errors, 2)):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [order["module"], *order["arguments"]]


def main(descriptor: int) -> None:
    """Leave who has started this, import, and serve; in each new process, run its module."""
    if os.fork():
        os._exit(0)
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order = ForkServer(socket.socket(fileno=descriptor)).serve()
    if order:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
