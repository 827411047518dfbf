"""The command line's environment, data folder, and server address."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tunecurve.errors import ConfigurationError, UnreachableError
from tunecurve.stack.state import read_state, state_file

_PREFIX = "TUNECURVE_"
# Of Google's own names those that choose neither programs nor hosts of credentials.
_GOOGLE_NAMES = frozenset(
    {
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "STORAGE_EMULATOR_HOST",
    }
)
_CODE = "TUNECURVE_METRICS_FOLDER"
_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"
# Other types of credentials send what a file or an address holds to an address of their own.
_PLAIN_CREDENTIALS = frozenset({"service_account", "authorized_user"})
# An address that only `.env` names gets no secret that comes from elsewhere.
_SECRETS_OF = {
    "TUNECURVE_REDIS_URL": ("TUNECURVE_REDIS_PASSWORD",),
    "TUNECURVE_DATABASE_URL": ("PGPASSWORD", "PGPASSFILE", "PGSSLKEY"),
    "TUNECURVE_VERTEX_ENDPOINT": (_CREDENTIALS,),
    "STORAGE_EMULATOR_HOST": (_CREDENTIALS,),
}
_DEFAULT_FOLDER = "~/.local/share/tunecurve"

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server and its API key."""

    url: str
    key: str | None


class ReadEnvironment(dict[str, str]):
    """The environment; `from_file` are the names that only `.env` gives."""

    from_file: frozenset[str] = frozenset()


def read_environment(dotenv: Path = Path(".env")) -> ReadEnvironment:
    """Return the environment over the settings in `.env`, as the services read them too.

    A setting that is empty counts as unset. Of `.env` only our names and a few of Google's are
    read: the folder may be another program's, and other names decide which code programs run.
    """
    settings: dict[str, str | None] = {}
    if dotenv.is_file():
        from dotenv import dotenv_values

        settings = {
            name: value
            for name, value in dotenv_values(dotenv).items()
            if name.startswith(_PREFIX) or name in _GOOGLE_NAMES
        }
    named = {name: value for name, value in os.environ.items() if value}
    environment = ReadEnvironment(
        {name: value for name, value in {**settings, **named}.items() if value}
    )
    environment.from_file = frozenset(environment.keys() - named.keys())
    return environment


def data_folder(environment: Environment, *, chosen: Path | None = None) -> Path:
    """Return the folder of the embedded stack, absolute.

    Raises ConfigurationError where it lies in a home folder that is not known.
    """
    folder = chosen or Path(environment.get("TUNECURVE_DATA_DIR", _DEFAULT_FOLDER))
    try:
        return folder.expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError(
            f"the home folder of {folder} is not known: set HOME or TUNECURVE_DATA_DIR"
        ) from error


def find_server(
    environment: Environment,
    *,
    url: str | None = None,
    key: str | None = None,
    data_dir: Path | None = None,
) -> Server:
    """Return the server: flags, then TUNECURVE_URL and TUNECURVE_KEY, then the embedded stack.

    The key of the embedded stack is never sent to another server, nor any other key to one that
    only `.env` names. Raises UnreachableError where no server is known and ConfigurationError
    where its key cannot be read or must not be sent.
    """
    chosen_key = key or environment.get("TUNECURVE_KEY")
    chosen_url = url or (None if data_dir else environment.get("TUNECURVE_URL"))
    if chosen_key and not url and not data_dir:
        place = "TUNECURVE_URL" if chosen_url else "TUNECURVE_DATA_DIR"
        _require_one_origin(environment, place, key_given=key is not None)
    folder = data_folder(environment, chosen=data_dir)
    stack = read_state(folder)
    if chosen_url is None and stack is None:
        raise UnreachableError(
            f"no server is known: {state_file(folder)} is absent; start one with "
            "`tunecurve up`, or name one with --url or TUNECURVE_URL"
        )
    if stack is not None and chosen_url in {None, stack.url}:
        _require_here(stack.url, folder)
        return Server(stack.url, chosen_key or _read_key(folder / "key"))
    return Server(chosen_url or "", chosen_key)


def server_environment() -> ReadEnvironment:
    """Return `read_environment()` for the server's own processes, which send secrets.

    Raises ConfigurationError where one would go to an address that only `.env` names, and where
    `.env` names code: its author need not be the one who has the secret.
    """
    environment = read_environment()
    if _CODE in environment.from_file:
        raise ConfigurationError(
            f"{_CODE} stands in .env: the code in that folder would be run; set it in the "
            "environment"
        )
    if _CREDENTIALS in environment.from_file:
        _require_plain(Path(environment[_CREDENTIALS]))
    for address, secrets in _SECRETS_OF.items():
        foreign = [name for name in secrets if name in environment.keys() - environment.from_file]
        if address in environment.from_file and foreign and _is_elsewhere(environment[address]):
            raise ConfigurationError(
                f"{address} stands in .env and {foreign[0]} comes from elsewhere: set both in one "
                "place"
            )
    return environment


def _is_elsewhere(address: str) -> bool:
    """Return whether an address is on another machine."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    host = parts.hostname or ""
    return bool(host) and parts.scheme != "unix" and host not in {"localhost", "127.0.0.1", "::1"}


def _require_plain(file: Path) -> None:
    try:
        kind = json.loads(file.read_bytes()).get("type")
    except (OSError, ValueError, AttributeError):
        return  # Google's client says what is wrong with it
    if kind not in _PLAIN_CREDENTIALS:
        raise ConfigurationError(
            f"{_CREDENTIALS} stands in .env and names credentials of the type {kind!r}, which can "
            "send files of yours to an address of theirs: set it in the environment"
        )


def _require_one_origin(environment: Environment, place: str, *, key_given: bool) -> None:
    from_file: frozenset[str] = getattr(environment, "from_file", frozenset())
    if place in from_file and (key_given or "TUNECURVE_KEY" not in from_file):
        raise ConfigurationError(
            f"{place} stands in .env and the key comes from elsewhere: put both there, or name the "
            "server with --url"
        )


def _require_here(url: str, folder: Path) -> None:
    """A stack's own file names no other machine: what does was not written by a stack."""
    if _is_elsewhere(url):
        raise ConfigurationError(
            f"{state_file(folder)} names a server on another machine: name it with --url"
        )


def _read_key(file: Path) -> str:
    try:
        handle = os.open(
            file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        )  # a link is another stack's key
        with os.fdopen(handle, encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError as error:
        raise ConfigurationError(
            f"the stack's key cannot be read ({error}); give one with --key or TUNECURVE_KEY"
        ) from error
