"""What a database driver raises, as errors of ours: every one has a class and names the cause.

A driver's own words may hold the values of a statement, which are the user's: only codes and the
names of exceptions are shown.
"""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import DatabaseUnavailable, Internal, TunecurveError, Unavailable

_READ_ONLY = "the database takes no writes: it is read-only (a standby, or a read-only disk)"
_FULL = "no space left on the database's disk"
_OLDER = "the database lacks migrations: run `python -m api migrate`"
_MANY = "the database takes no more connections"
_NO_DATABASE = "there is no database of this name"
_NO_USER = "the database refuses this user or password"

# https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are a whole class.
_BY_STATE = {
    "25006": ("database_read_only", _READ_ONLY),
    "53100": ("database_full", _FULL),
    "53200": ("database_unavailable", "the database's machine has no memory left"),
    "53300": ("database_busy", _MANY),
    "42P01": ("migrations_missing", _OLDER),  # no such table
    "42703": ("migrations_missing", _OLDER),  # no such column
    "42501": ("database_refused", "the database's role lacks a right on a table"),
    "25": ("database_unavailable", "the database ended a transaction that stood still"),
    "XX001": ("database_damaged", "the database's files are damaged: restore a backup"),
    "XX002": ("database_damaged", "an index of the database is damaged: reindex it"),
    "40": ("database_busy", "two transactions were in each other's way"),
    "55": ("database_busy", "another transaction holds what this one needs"),
    "57": ("database_unavailable", "the database shuts down, starts or was asked to stop this"),
    "58": ("database_unavailable", "the database's machine reports a fault of its disk"),
    "08": ("database_unavailable", "the connection to the database failed"),
    "28": ("database_refused", _NO_USER),
    "3D": ("database_refused", _NO_DATABASE),
    "XX000": ("database_unavailable", "the database or its pooler reports a fault of its own"),
    # A pooler gave the connection to another client in between.
    "26": ("database_unavailable", "a pooler has changed the connection"),
    "42P05": ("database_unavailable", "a pooler has changed the connection"),
}
# A connection that fails has no state: libpq gives the server's words alone, or its own. Those of a
# server in another language are not known, and are reported as its silence.
_BY_WORDS = {
    r'database "[^"]*" does not exist': ("database_refused", _NO_DATABASE),
    "authentication failed|no password supplied": ("database_refused", _NO_USER),
    "role .* does not exist|not permitted to log in|no pg_hba.conf": ("database_refused", _NO_USER),
    "too many (clients|connections)|max.clients|connection slots": ("database_busy", _MANY),
    "starting up|shutting down|recovery mode": (
        "database_unavailable",
        "the database starts or shuts down",
    ),
    "could not translate host|[Nn]ame or service not known|failed to resolve": (
        "database_unavailable",
        "the name of the database's host is not known",
    ),
    "certificate|SSL|sslmode": (
        "database_refused",
        "no encrypted connection to the database can be made",
    ),
    "Connection refused|No such file or directory": (
        "database_unavailable",
        "nothing listens at the database's address",
    ),
    "invalid connection option|invalid .* value": (
        "database_refused",
        "an option of the database's address is not known",
    ),
}
# https://sqlite.org/rescode.html, the primary codes
_BY_CODE = {
    5: ("database_busy", "another process writes to the database"),
    6: ("database_busy", "another process writes to the database"),
    8: ("database_read_only", _READ_ONLY),
    10: ("database_unavailable", "the database's disk reports a fault"),
    11: ("database_damaged", "the database's file is damaged: restore a backup"),
    13: ("database_full", _FULL),
    14: ("database_unavailable", "the database's file cannot be opened"),
    26: ("database_damaged", "the database's file is no SQLite database"),
}
_SQLITE_ERROR = 1
_DISCONNECTED = frozenset({"25006", "26000", "42P05"})


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy and its drivers raise into errors of ours."""
    try:
        yield
    # SQLite's own errors come bare from the first statements of a connection.
    except (SQLAlchemyError, sqlite3.Error) as error:
        if isinstance(error, StatementError) and not isinstance(error, DBAPIError) and error.orig:
            raise error.orig from None  # of one of our own column types, before anything was sent
        raise error_of(error) from error


def error_of(error: Exception) -> TunecurveError:
    """Return what a driver's error means: Unavailable where it may pass, else Internal."""
    if isinstance(error, PoolTimeout):
        message = "every connection to the database is in use; try again"
        return DatabaseUnavailable(message, code="database_busy")
    raised = getattr(error, "orig", None) or error
    name = type(raised).__name__
    if known := _cause(raised):
        code, message = known
        return DatabaseUnavailable(f"{message}; try again", code=code)
    if _is_passing(error):
        message = f"the database did not answer: {name}; try again"
        is_outage = not isinstance(error, IntegrityError)
        found = DatabaseUnavailable if is_outage else Unavailable
        return found(message, code="database_unavailable")
    if isinstance(error, DataError):
        return Internal(f"the database cannot hold a value: {name}", code="database_value_refused")
    return Internal(f"the database refuses a statement: {name}", code="database_statement_refused")


def _is_passing(error: Exception) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if getattr(getattr(error, "orig", error), "sqlite_errorcode", None) == _SQLITE_ERROR:
        return False  # SQLite has one class for all: this is a statement that it cannot read
    # A row that is in the way of another, or gone, is another transaction's doing.
    return isinstance(error, (OperationalError, InterfaceError, IntegrityError, sqlite3.Error))


def _cause(raised: BaseException) -> tuple[str, str] | None:
    state = getattr(raised, "sqlstate", None)
    if isinstance(state, str):
        return _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    code = getattr(raised, "sqlite_errorcode", None)
    if not isinstance(code, int):
        return _cause_in_words(str(raised))
    if code == _SQLITE_ERROR and str(raised).startswith("no such "):
        return "migrations_missing", _OLDER
    return _BY_CODE.get(code & 0xFF)


def _cause_in_words(words: str) -> tuple[str, str] | None:
    return next((cause for known, cause in _BY_WORDS.items() if re.search(known, words)), None)


def give_up_connection(context: ExceptionContext) -> None:
    """Let a pool drop its connections where they lead to a former primary, or to another client."""
    if getattr(context.original_exception, "sqlstate", None) in _DISCONNECTED:
        context.is_disconnect = True


def error_of_disk(error: OSError) -> Unavailable:
    """Return why the folder of a SQLite database takes no writes."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DatabaseUnavailable(_FULL, code="database_full")
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return DatabaseUnavailable(_READ_ONLY, code="database_read_only")
    message = f"the database's disk refuses a write: {error.strerror}"
    return DatabaseUnavailable(message)
