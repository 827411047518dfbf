"""The command line's environment, data folder, and server address."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunecurve.errors import ConfigurationError, UnreachableError
from tunecurve.stack.state import read_state, state_file

_DEFAULT_FOLDER = "~/.local/share/tunecurve"

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server and its API key."""

    url: str
    key: str | None


def read_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the environment over the settings in `.env`, as the services read them too.

    A setting that is empty counts as unset.
    """
    settings: dict[str, str | None] = {}
    if dotenv.is_file():
        from dotenv import dotenv_values

        settings = dotenv_values(dotenv)
    return {name: value for name, value in {**settings, **os.environ}.items() if value}


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

    The key of the embedded stack is never sent to another server. Raises UnreachableError where
    no server is known and ConfigurationError where its key cannot be read.
    """
    chosen_key = key or environment.get("TUNECURVE_KEY")
    chosen_url = url or (None if data_dir else environment.get("TUNECURVE_URL"))
    folder = data_folder(environment, chosen=data_dir)
    stack = read_state(folder)
    if chosen_url is None and stack is None:
        raise UnreachableError(
            f"no server is known: {state_file(folder)} is absent; start one with "
            "`tunecurve up`, or name one with --url or TUNECURVE_URL"
        )
    if stack is not None and chosen_url in {None, stack.url}:
        return Server(stack.url, chosen_key or _read_key(stack.key_file))
    return Server(chosen_url or "", chosen_key)


def _read_key(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"the stack's key cannot be read ({error}); give one with --key or TUNECURVE_KEY"
        ) from error
