"""Bytes on their way into the store: written to a file and summed up as they come."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import google_crc32c

_CHECKSUM: Any = google_crc32c.Checksum


class Payload:
    """A growing file with the checksums Cloud Storage keeps; `write` costs no second reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._crc32c = _CHECKSUM()
        self._md5 = hashlib.md5(usedforsecurity=False)
        path.touch()

    def write(self, chunk: bytes) -> None:
        with self.path.open("ab") as stream:
            stream.write(chunk)
        self.size_bytes += len(chunk)
        self._crc32c.update(chunk)
        self._md5.update(chunk)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def crc32c(self) -> str:
        return b64encode(self._crc32c.digest()).decode()

    @property
    def md5(self) -> str:
        return b64encode(self._md5.digest()).decode()
