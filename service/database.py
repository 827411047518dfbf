"""The database: engine, short transactions, and the column types every room uses."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    MetaData,
    String,
    TypeDecorator,
    create_engine,
    delete,
    event,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Session as Session
from sqlalchemy.pool import ConnectionPoolEntry

from service.database_errors import give_up_connection, translated
from service.errors import Conflict, Invalid, Unavailable

Json = JSON().with_variant(JSONB(), "postgresql")
Id = String(40)
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")
_SQLITE = ("sqlite", "sqlite+pysqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which stores no zone, gets it back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone cannot be stored"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Model(DeclarativeBase):
    """Parent of every table. Constraint names are fixed, so migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy's own declarative form
        datetime: UtcDateTime,
        dict[str, Any]: Json,
        dict[str, str]: Json,
        list[Any]: Json,
    }


class Sessions:
    """Opens transactions. Nothing else commits; no network call belongs inside one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        on_sqlite = engine.dialect.name == "sqlite"
        # PostgreSQL's transactions take a snapshot for each statement, so those that only read
        # give nothing for the two round trips that begin and end them.
        alone = {} if on_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._readers = engine.execution_options(read_only=True, **alone)
        self._one_writer: AbstractContextManager[object] = (
            threading.Lock() if on_sqlite else nullcontext()
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end, roll back on any error. On SQLite the write lock is taken at once.

        There the threads of a process wait for each other here: SQLite itself looks again after
        pauses of up to 100 ms, so that under load some would wait for seconds.
        Raises what `database_errors` distinguishes: Unavailable for what may pass, such as
        `database_unavailable`, `database_full` and `database_read_only`.
        """
        with (
            translated(),
            self._one_writer,
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that must not write. Raises what `transaction` raises."""
        with (
            translated(),
            Session(self._readers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def now(self) -> datetime:
        """Return the database's time, as `database_now` does."""
        with self.reading() as session:
            return database_now(session)

    def discard_deleted(self) -> bool:
        """Drop what SQLite's log still holds of deleted rows; return whether no reader was in
        the way. PostgreSQL does so by itself, when it vacuums (docs/privacy.md). Raises what
        `transaction` raises.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with translated(), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = (cursor.fetchone() or (1,))[0]
            cursor.close()
        return not busy

    def close(self) -> None:
        self.engine.dispose()


_CLOCKS = {
    "sqlite": select(type_coerce(func.strftime("%Y-%m-%d %H:%M:%f000", "now"), UtcDateTime)),
    "postgresql": select(type_coerce(func.clock_timestamp(), UtcDateTime)),
}


def database_now(session: Session) -> datetime:
    """Return the database's time, read once in each transaction.

    Leases, due times and take-overs of a fleet are judged by this clock alone: those of its
    machines differ. On SQLite it has milliseconds.
    """
    if "now" not in session.info:
        session.info["now"] = session.scalar(_CLOCKS[session.get_bind().dialect.name])
    now: datetime = session.info["now"]
    return now


def delete_unless_used(session: Session, model: type[Model], row_id: str) -> list[str]:
    """Delete a row unless others point at it; return the ids of those, of twenty at most."""
    row = model.__table__.c.id == row_id
    try:
        with session.begin_nested():
            session.execute(delete(model).where(row))
    except IntegrityError:
        return sorted(_references(session, model, row_id))[:20] or [row_id]
    return []


def _references(session: Session, model: type[Model], row_id: str) -> Iterator[str]:
    """Yield the ids of rows that point at a row; a part of something larger has the whole's."""
    for table in Model.metadata.tables.values():
        keys = [key for key in table.foreign_keys if key.column.table is model.__table__]
        whole = [key.parent for key in table.foreign_keys if key.ondelete == "CASCADE"]
        shown = [*whole, *table.primary_key.columns][0]
        for key in keys:
            if key.ondelete != "CASCADE":
                found = session.scalars(select(shown).where(key.parent == row_id).limit(20))
                yield from map(str, found)


def refuse_used(users: Sequence[str], row_id: str) -> None:
    """Raise Conflict `in_use` that names what uses a row, where anything does."""
    if users:
        message = f"{row_id} is used by {', '.join(users)}; delete them first"
        raise Conflict(message, code="in_use")


def open_sessions(url: str) -> Sessions:
    """Return sessions on a SQLite or PostgreSQL database; a SQLite file's folder is made.

    Raises Invalid `invalid_database_url`, and Unavailable where the folder cannot be made.
    """
    parsed = parse_database_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    engine = _sqlite_engine(url, parsed.database) if sqlite else _postgresql_engine(parsed)
    event.listen(engine, "handle_error", give_up_connection)
    return Sessions(engine)


def parse_database_url(url: str) -> URL:
    """Return the parts of an address with our driver; `postgres://` is what many hosts write.

    Raises Invalid `invalid_database_url`, which repeats nothing of the address but its scheme.
    """
    known = "known: postgresql://user:password@host/database, sqlite:////path/to/file.db"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        message = f"TUNECURVE_DATABASE_URL cannot be read as an address; {known}"
        raise Invalid(message, code="invalid_database_url") from error
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in _SQLITE:
        return parsed
    scheme = parsed.drivername[:40]
    message = f"TUNECURVE_DATABASE_URL: no database has the scheme {scheme!r}; {known}"
    raise Invalid(message, code="invalid_database_url")


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 5,
            # A statement prepared on one connection is not there on the next that PgBouncer
            # lends: 18 of 120 requests failed behind a pooler in transaction mode.
            "prepare_threshold": None,
        },
    )


def _sqlite_engine(url: str, file: str | None) -> Engine:
    if file and file != ":memory:":
        _make_folder(Path(file).parent)
    # A connection beyond the pool is opened anew each time. Values are the user's: not for errors.
    engine = create_engine(url, pool_size=20, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder of the SQLite database cannot be made: {error.strerror}"
        raise Unavailable(message, code="database_unavailable") from error


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin by itself
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout=15000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",  # deleted rows are overwritten: they held personal data
        "cache_size=-1536",  # KB of each connection; the system caches the file, too
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes cannot upgrade its snapshot once another
    # writer has committed: 1,919 of 2,400 such transactions failed; with IMMEDIATE none did.
    reading = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
