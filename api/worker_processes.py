"""Several processes that accept from one socket: one interpreter uses one core."""

import multiprocessing
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import wait
from types import FrameType


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
