"""Every error of a driver has a class and names its cause; addresses are read or refused."""

import errno
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from service.database import Sessions, open_sessions, parse_database_url
from service.database_errors import error_of_disk
from service.errors import Internal, Invalid, TunecurveError, Unavailable
from service.migrations.upgrade import require_room
from service.projects.operations import ensure_project
from tests.support.certificates import Certificates, make_certificates
from tests.support.eventually import eventually
from tests.support.ports import reserved_port

PGBOUNCER = shutil.which("pgbouncer")


def is_server(sessions: Sessions) -> bool:
    return sessions.engine.dialect.name == "postgresql"


def code_of(sessions: Sessions, statement: str) -> str:
    with pytest.raises((Unavailable, Internal)) as caught, sessions.transaction() as session:
        session.execute(text(statement))
    assert "secret" not in caught.value.message
    return caught.value.code


# ------------------------------------------------------------ addresses


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_what_hosts_call_postgresql_is_taken_as_such(scheme: str) -> None:
    parsed = parse_database_url(f"{scheme}://a:b@h/d")
    assert parsed.render_as_string(hide_password=False) == "postgresql+psycopg://a:b@h/d"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "secret", "postgresql+asyncpg://h/d"])
def test_another_address_is_refused_with_those_that_are_known(url: str) -> None:
    with pytest.raises(Invalid, match="known: postgresql://") as caught:
        open_sessions(url)
    assert caught.value.code == "invalid_database_url"
    assert "secret" not in caught.value.message


# ------------------------------------------------------------ what drivers raise


def test_tables_that_are_not_there_are_missing_migrations(sessions: Sessions) -> None:
    assert code_of(sessions, "SELECT 1 FROM absent") == "migrations_missing"
    assert code_of(sessions, "SELECT absent FROM project") == "migrations_missing"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("25P03", "database_unavailable"),
        ("25P04", "database_unavailable"),
        ("40P01", "database_busy"),
        ("42501", "database_refused"),
        ("53100", "database_full"),
        ("53400", "database_unavailable"),
        ("55P03", "database_busy"),
        ("57P05", "database_unavailable"),
        ("58030", "database_unavailable"),
        ("XX000", "database_unavailable"),
        ("XX001", "database_damaged"),
        ("XX002", "database_damaged"),
    ],
)
def test_what_the_server_ends_a_statement_with_may_pass_and_names_its_cause(
    sessions: Sessions, state: str, code: str
) -> None:
    if not is_server(sessions):
        pytest.skip("SQLite has no such states")
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$"
    assert code_of(sessions, raising) == code


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"database": "absent"}, "database_refused", "no database of this name"),
        ({"username": "nobody"}, "database_refused", "user or password"),
        ({"query": {"host": "/nowhere"}}, "database_unavailable", "nothing listens"),
        ({"query": {"secret": "1"}}, "database_refused", "an option of the database's address"),
    ],
)
def test_a_connection_that_fails_names_its_cause(
    sessions: Sessions, change: dict[str, Any], code: str, words: str
) -> None:
    if not is_server(sessions):
        pytest.skip("SQLite connects to nothing")
    url = sessions.engine.url.set(**change)
    with (
        closing(open_sessions(url.render_as_string(hide_password=False))) as elsewhere,
        pytest.raises(Unavailable, match=words) as caught,
        elsewhere.reading() as session,
    ):
        session.execute(text("SELECT 1"))
    assert caught.value.code == code
    assert "secret" not in caught.value.message


def test_a_value_that_the_database_cannot_hold_is_no_passing_fault(sessions: Sessions) -> None:
    if not is_server(sessions):
        pytest.skip("SQLite holds any number")
    found = code_of(sessions, "SELECT 'secret'::text, 99999999999::bigint::integer")
    assert found == "database_value_refused"


def test_a_statement_that_is_refused_is_ours(sessions: Sessions) -> None:
    assert code_of(sessions, "SELEC 'secret'") == "database_statement_refused"


def test_a_former_primary_is_read_only_and_its_connections_are_given_up(
    sessions: Sessions,
) -> None:
    if not is_server(sessions):
        pytest.skip("a primary is a server's")
    name = sessions.engine.url.database
    with sessions.transaction() as session:
        session.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    sessions.engine.dispose()
    with pytest.raises(Unavailable, match="read-only") as caught:
        ensure_project("late", sessions=sessions)
    assert caught.value.code == "database_read_only"
    with pytest.raises(Unavailable, match="read-only"):
        require_room(sessions)
    url = sessions.engine.url.set(database="postgres")
    admin = open_sessions(url.render_as_string(hide_password=False))
    with closing(admin), admin.transaction() as session:
        session.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
    ensure_project("late", sessions=sessions)  # over a new connection


def test_a_pool_without_a_free_connection_is_busy(sessions: Sessions) -> None:
    if not is_server(sessions):
        pytest.skip("the pool of a server")
    vars(sessions.engine.pool)["_timeout"] = 0.05
    held = [sessions.engine.connect() for _ in range(30)]
    try:
        with pytest.raises(Unavailable) as caught:
            sessions.now()
        assert caught.value.code == "database_busy"
    finally:
        for connection in held:
            connection.close()


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    def fill(connection: Any, _entry: object) -> None:
        connection.execute("PRAGMA max_page_count = 10")

    sessions = open_sessions(f"sqlite:///{tmp_path / 'x.db'}")
    event.listen(sessions.engine, "connect", fill)
    with sessions.transaction() as session:
        session.execute(text("CREATE TABLE a (b BLOB)"))
    assert code_of(sessions, "INSERT INTO a VALUES (zeroblob(99999))") == "database_full"


def test_a_log_that_cannot_be_emptied_says_so(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    sessions = open_sessions(f"sqlite:///{file}")
    assert sessions.discard_deleted()
    sessions.close()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable) as caught:
        sessions.discard_deleted()
    assert caught.value.code == "database_damaged"


def test_a_probe_names_what_the_disk_refuses(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as full, open("/dev/full", "wb") as device:  # noqa: PTH123
        device.write(bytes(1 << 16))
    assert error_of_disk(full.value).code == "database_full"
    assert error_of_disk(OSError(errno.EROFS, "read-only")).code == "database_read_only"
    sessions = open_sessions(f"sqlite:///{tmp_path / 'gone.db'}")
    with pytest.raises(Unavailable):
        require_room(sessions)


def test_a_read_only_file_is_read_only(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with open_sessions(f"sqlite:///{file}").transaction() as session:
        session.execute(text("CREATE TABLE a (b INTEGER)"))
    sessions = open_sessions(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert code_of(sessions, "INSERT INTO a VALUES (1)") == "database_read_only"


# ------------------------------------------------------------ behind a pooler


@pytest.fixture
def free_port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def pooled(sessions: Sessions, free_port: int, certificates: Certificates) -> Iterator[Sessions]:
    """The same database behind PgBouncer, which lends four connections by the transaction."""
    if not is_server(sessions) or PGBOUNCER is None:
        pytest.skip("needs PostgreSQL and pgbouncer")
    url = sessions.engine.url
    socket_folder = str(url.query["host"])
    folder = Path(tempfile.mkdtemp(prefix="pb"))
    folder.chmod(0o777)
    for file in (certificates.server, certificates.key):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{url.database} = host={socket_folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {free_port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {folder / 'users.txt'}\npool_mode = transaction\n"
        f"default_pool_size = 4\nclient_tls_sslmode = allow\n"
        f"client_tls_cert_file = {folder / 'server.pem'}\n"
        f"client_tls_key_file = {folder / 'key.pem'}\n"
    )
    words = [PGBOUNCER, "-u", Path(socket_folder).owner(), str(folder / "pgbouncer.ini")]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    opened = open_sessions(f"postgres://postgres@127.0.0.1:{free_port}/{url.database}")
    try:
        eventually(lambda: _answers(opened), what="PgBouncer does not answer")
        yield opened
    finally:
        opened.close()
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _answers(sessions: Sessions) -> bool:
    try:
        sessions.now()
    except TunecurveError:
        return False
    return True


def test_the_certificate_of_postgresql_is_verified_where_the_address_says_so(
    pooled: Sessions, certificates: Certificates, tmp_path: Path
) -> None:
    url = pooled.engine.url.update_query_dict({"sslmode": "verify-full"})
    other = make_certificates(tmp_path).authority
    for authority, is_trusted in ((certificates.authority, True), (other, False)):
        address = url.update_query_dict({"sslrootcert": str(authority)})
        opened = open_sessions(address.render_as_string(hide_password=False))
        assert _answers(opened) is is_trusted
        opened.close()


def test_transactions_behind_a_pooler_never_fail(pooled: Sessions) -> None:
    names = [f"p{number % 5}" for number in range(200)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda name: ensure_project(name, sessions=pooled), names))
    assert len(set(found)) == 5
