"""Files as sent, kept as what is inside."""

from collections.abc import Iterable
from pathlib import Path

from service.errors import Invalid
from service.files.compression import expanded, refuse_archives
from service.files.contents import limited, with_head


def keep_plain(chunks: Iterable[bytes], *, folder: Path, limit_bytes: int) -> Path:
    """Write a source's bytes, expanded once, to a file in the folder and return its path.

    `limit_bytes` bounds both what comes and what it expands to. Raises TooLarge, Invalid
    `invalid_gzip`, `invalid_zstd`, `unreadable_archive`, `empty_file`.
    """
    sent = limited(chunks, limit_bytes=limit_bytes)
    head, whole = with_head(expanded(sent, limit_bytes=limit_bytes))
    if not head:
        raise Invalid("the file is empty", code="empty_file")
    refuse_archives(head)
    plain = folder / "plain"
    with plain.open("wb") as file:
        file.writelines(whole)
    return plain
