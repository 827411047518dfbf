"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def written_whole(to: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of `to` when the block ends; where it fails, nothing does.

    Makes the folder. Raises OSError, such as that of a full disk.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        Path(partial).chmod(0o644)
        Path(partial).replace(to)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
