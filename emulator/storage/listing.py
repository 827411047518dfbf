"""Paging through object names with a prefix and a delimiter, as a pure function."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

_LAST = "\U0010ffff"
"""Comes after all that a name can go on with."""


@dataclass(frozen=True, slots=True)
class Page:
    names: list[str]
    prefixes: list[str]
    next_token: str | None


def page_of(
    names: Callable[[str], Iterable[str]],
    *,
    prefix: str,
    delimiter: str,
    token: str | None,
    limit: int,
) -> Page:
    """Return one page of at most `limit` names and folded prefixes together, in name order.

    `names` yields, in order, those with the prefix that come after a name; no more are asked for
    than the page needs. With a delimiter, names that contain it after the prefix fold into one
    entry up to it. The token is the last entry shown, so objects that come or go between pages do
    not shift the rest. Raises ValueError when the token is not one of ours.
    """
    after = _decode(token) if token else ""
    _, is_folder = _entry(after, prefix, delimiter)
    entries = _entries(names(after + _LAST if is_folder else after), prefix, delimiter)
    shown = list(islice(entries, limit))
    has_more = next(entries, None) is not None
    return Page(
        names=[text for text, is_prefix in shown if not is_prefix],
        prefixes=[text for text, is_prefix in shown if is_prefix],
        next_token=_encode(shown[-1][0]) if has_more else None,
    )


def _entries(names: Iterable[str], prefix: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Yield each entry once; names in order fold into entries in order."""
    return (entry for entry, _ in groupby(_entry(name, prefix, delimiter) for name in names))


def _entry(name: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    if not delimiter:
        return name, False
    end = name.find(delimiter, len(prefix))
    return (name, False) if end < 0 else (name[: end + len(delimiter)], True)


def _encode(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _decode(token: str) -> str:
    return urlsafe_b64decode(token.encode()).decode()
