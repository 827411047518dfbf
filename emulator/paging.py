"""Paging of a list whose items have a lasting place in it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
