"""The data folder of a stack: secrets that only their owner may read, and `stack.json`, the
addresses of the running stack.
"""

import errno
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tunecurve.errors import ConfigurationError

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class StackState:
    """`pid` is the supervisor's, `processes` maps each name to its pid."""

    url: str
    key_file: str
    pid: int
    processes: Mapping[str, int]
    redis: str
    emulator: str | None


def lock_file(folder: Path) -> Path:
    """Return the file that the folder's running stack holds locked."""
    return folder / "stack.lock"


def state_file(folder: Path) -> Path:
    return folder / "stack.json"


def write_state(folder: Path, state: StackState) -> None:
    write_private(state_file(folder), json.dumps(asdict(state), indent=2) + "\n")


def read_state(folder: Path) -> StackState | None:
    """Return the state of the folder's stack, None where there is none or it is unreadable."""
    try:
        return StackState(**json.loads(state_file(folder).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_state(folder: Path) -> None:
    state_file(folder).unlink(missing_ok=True)


def make_private_folder(folder: Path) -> Path:
    """Create the folder where it is absent, and close it to others.

    Raises ConfigurationError where it cannot be one that this user may write.
    """
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if folder.stat().st_mode & ~_PRIVATE & 0o777:
            folder.chmod(_PRIVATE)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        message = (
            f"the data folder {folder} cannot be used ({(error.strerror or '').lower()}); name "
            "another with --data-dir or TUNECURVE_DATA_DIR"
        )
        raise ConfigurationError(message) from error
    return folder


def write_private(file: Path, text: str) -> None:
    """Replace the file by one with this text, complete, that only its owner may read."""
    handle, partial = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(handle)  # a power cut after the renaming would leave an empty file
        Path(partial).replace(file)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def read_or_make_secret(file: Path) -> str:
    """Return the secret in the file; the first call makes it."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32) + "\n")
    return file.read_text(encoding="utf-8").strip()
