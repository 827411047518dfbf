"""Pages of lists: by a lasting number of each item, or by name with prefix and delimiter."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Generic, TypeVar

from emulator.errors import GoogleError

Item = TypeVar("Item")

_DEFAULT_PAGE_SIZE = 100
_LARGEST_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: list[Item]
    next_token: str | None

    def describe(self, name: str, show: Callable[[Item], object]) -> dict[str, object]:
        """Return the body of a list answer; like Google's it names nothing that is empty."""
        body: dict[str, object] = {name: [show(item) for item in self.items]} if self.items else {}
        return body | ({"nextPageToken": self.next_token} if self.next_token else {})


def page_of(
    items: Iterable[Item], query: Mapping[str, str], *, place: Callable[[Item], int]
) -> Page[Item]:
    """Return the page a request asks for, in the order of `place`.

    The token is the place of the last item shown, so what comes or goes between pages does not
    shift the rest. Raises GoogleError 400 for a bad size or token.
    """
    size = _read_size(query.get("pageSize", query.get("page_size", "")))
    token = query.get("pageToken", query.get("page_token", ""))
    after = _read_token(token) if token else None
    rest = [item for item in sorted(items, key=place) if after is None or place(item) > after]
    shown = rest[:size]
    more = len(rest) > size
    return Page(shown, _write_token(place(shown[-1])) if more else None)


def _read_size(text: str) -> int:
    if text in {"", "0"}:
        return _DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit()):
        raise GoogleError(400, "Invalid value at 'page_size' (TYPE_INT32).")
    return min(int(text[:9]), _LARGEST_PAGE_SIZE)


def _read_token(token: str) -> int:
    try:
        return int(urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise GoogleError(400, "Invalid page token.") from error


def _write_token(place: int) -> str:
    return urlsafe_b64encode(str(place).encode()).decode()


_LAST = "\U0010ffff"
"""Sorts after every continuation of a name."""


@dataclass(frozen=True, slots=True)
class NamePage:
    names: list[str]
    prefixes: list[str]
    next_token: str | None


def page_of_names(
    names: Callable[[str], Iterable[str]],
    *,
    prefix: str,
    delimiter: str,
    token: str | None,
    limit: int,
) -> NamePage:
    """Return one page of at most `limit` names and folded prefixes together, in name order.

    `names` yields, in order, those with the prefix that come after a name; no more are read
    than the page needs. With a delimiter, names that contain it after the prefix fold into one
    entry up to it. The token is the last entry shown, so objects that come or go between pages do
    not shift the rest. Raises ValueError when the token is not one of ours.
    """
    after = _decode_name(token) if token else ""
    _, is_folder = _entry(after, prefix, delimiter)
    entries = _entries(names(after + _LAST if is_folder else after), prefix, delimiter)
    shown = list(islice(entries, limit))
    has_more = next(entries, None) is not None
    return NamePage(
        names=[text for text, is_prefix in shown if not is_prefix],
        prefixes=[text for text, is_prefix in shown if is_prefix],
        next_token=_encode_name(shown[-1][0]) if has_more else None,
    )


def _entries(names: Iterable[str], prefix: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Yield each entry once; names in order fold into entries in order."""
    return (entry for entry, _ in groupby(_entry(name, prefix, delimiter) for name in names))


def _entry(name: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    if not delimiter:
        return name, False
    end = name.find(delimiter, len(prefix))
    return (name, False) if end < 0 else (name[: end + len(delimiter)], True)


def _encode_name(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _decode_name(token: str) -> str:
    return urlsafe_b64decode(token.encode()).decode()
