"""A server of ours, or the bare route, as a process of its own on a free port."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from tests.support.eventually import eventually
from tests.support.ports import reserved_port


@dataclass(frozen=True, slots=True)
class ServerProcess:
    url: str
    pid: int


@contextlib.contextmanager
def server_process(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], *, probe: str
) -> Iterator[ServerProcess]:
    """Start `python -m module arguments --port N` and yield once `probe` is answered."""
    with reserved_port() as port:
        command = [sys.executable, "-P", "-m", module, *arguments, "--port", str(port)]
        process = subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603, TID251
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: _answers(url + probe), what=f"{module} has not started")
            yield ServerProcess(url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code < 500  # noqa: PLR2004  HTTP's own number
    except httpx2.TransportError:
        return False
