"""A process that imports once what the server's programs import, and forks each of them.

`python -m tunecurve.stack.fork_server DESCRIPTOR PARENT MODULES` reads orders from a socket. Each
program is forked twice, so that it becomes a child of the supervisor (a subreaper meanwhile): it
outlives this process, and is watched and ended as one that the supervisor started itself. Linux
only.
"""

import contextlib
import gc
import importlib
import os
import runpy
import socket
import sys
import time
from collections.abc import Sequence

import setproctitle

from tunecurve.stack.forks import DESCRIPTORS, MESSAGE_BYTES, Order
from tunecurve.stack.parenthood import end_with


def main(arguments: Sequence[str]) -> None:
    """Import, then serve; in each forked process, run its module to the end."""
    descriptor, parent, modules = int(arguments[0]), int(arguments[1]), arguments[2]
    end_with(parent)
    for name in modules.split(","):
        importlib.import_module(name)
    setproctitle.getproctitle()  # finds where it stands while the environment is the first one
    gc.collect()
    gc.freeze()  # a collection in a child would write to all pages that it shares
    order = serve(socket.socket(fileno=descriptor), parent=parent)
    if order is not None:
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def serve(control: socket.socket, *, parent: int) -> Order | None:
    """Return None in the server once no caller is there, and its order in each forked process."""
    while True:
        content, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, DESCRIPTORS)
        if not content:
            return None
        order = Order.decode(content)
        if between := _fork(control):
            control.close()
            while os.getppid() == between:
                time.sleep(0.001)
            _take_on(order, descriptors, parent=parent)
            return order
        for each in descriptors:
            os.close(each)


def _fork(control: socket.socket) -> int:
    """Return 0 in the server, and in the new process the id of the one between, which ends.

    The supervisor learns that one has ended, which makes the new process its child.
    """
    reading, writing = os.pipe()
    between = os.fork()
    if between:
        os.close(writing)
        os.waitpid(between, 0)
        with contextlib.suppress(OSError):
            control.send(os.read(reading, 32))
        os.close(reading)
        return 0
    between = os.getpid()
    pid = os.fork()
    if pid:
        os.write(writing, str(pid).encode())
        os._exit(0)
    os.close(reading)
    os.close(writing)
    return between


def _take_on(order: Order, descriptors: Sequence[int], *, parent: int) -> None:
    os.setsid()
    end_with(parent)
    os.chdir(order.folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in zip((nothing, *descriptors), (0, 1, 2), strict=True):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = [order.module, *order.arguments]
    # What `ps` shows is what it would if this had been started by itself.
    setproctitle.setproctitle(" ".join([sys.executable, "-m", *sys.argv]))


if __name__ == "__main__":
    main(sys.argv[1:])
