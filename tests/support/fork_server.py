"""A process that imports once what ours import, and forks each of them: it runs a module at once.

Importing takes a worker, a ticker or an API a second of computing, and each child of a worker
another one for Google's clients and the libraries of tables. A test that looks for what a process
does not import starts it afresh.
Linux only, as it reads a whole message at a time and ends with the process that started it.
"""

import array
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
from typing import Any

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
DESCRIPTORS = 3  # standard output, standard error, and where the exit status is written

Order = dict[str, Any]


def end_with_parent() -> None:
    """Let a killed test run take its processes along (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class ForkServer:
    """Forks a process for each message on its socket, and says how each of them ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._exits: dict[int, int] = {}
        self._woken, self._waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> Order | None:
        """Return None in the server once its client is gone, and its order in each new process."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waking)
        control = self._control.fileno()
        while True:
            ready, _, _ = select.select([control, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if control in ready:
                content, descriptors, _, _ = socket.recv_fds(
                    self._control, MESSAGE_BYTES, DESCRIPTORS
                )
                if not content:
                    return None
                if order := self._fork(json.loads(content), descriptors):
                    return order

    def _fork(self, order: Order, descriptors: list[int]) -> Order | None:
        output, errors, status = descriptors
        pid = os.fork()
        if not pid:
            self._leave()
            os.close(status)
            _take_on(order, output=output, errors=errors)
            return order
        self._exits[pid] = status
        os.close(output)
        os.close(errors)
        self._control.send(array.array("i", [pid]).tobytes())
        return None

    def _leave(self) -> None:
        """In the new process: keep nothing of the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self._woken, self._waking, *self._exits.values()):
            os.close(descriptor)
        self._control.close()

    def _reap(self) -> None:
        for pid in list(self._exits):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                descriptor = self._exits.pop(pid)
                os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(descriptor)


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
    """Import, then serve; in each new process, run its module as `python -m` does."""
    end_with_parent()
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order = ForkServer(socket.socket(fileno=descriptor)).serve()
    if order:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
