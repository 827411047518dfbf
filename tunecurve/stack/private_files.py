"""Small files that only their owner may read, written whole or not at all."""

import os
import secrets
import tempfile
from pathlib import Path


def make_private_folder(folder: Path) -> Path:
    """Create the folder, closed to others, where it is absent."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(file: Path, text: str) -> None:
    """Replace the file by one with this text that only its owner may read."""
    handle, partial = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(partial).replace(file)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def read_or_make_secret(file: Path) -> str:
    """Return the secret in the file; the first call makes it."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32) + "\n")
    return file.read_text(encoding="utf-8").strip()
