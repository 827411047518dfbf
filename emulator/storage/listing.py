"""Paging through object names with a prefix and a delimiter, as a pure function."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    names: list[str]
    prefixes: list[str]
    next_token: str | None


def page_of(
    names: Iterable[str], *, prefix: str, delimiter: str, token: str | None, limit: int
) -> Page:
    """Return one page of at most `limit` names and folded prefixes together, in name order.

    With a delimiter, names that contain it after the prefix fold into one entry up to it. The token
    is the last entry shown, so objects that come or go between pages do not shift the rest.
    Raises ValueError when the token is not one of ours.
    """
    after = _decode(token) if token else ""
    entries = sorted({_entry(name, prefix, delimiter) for name in names if name.startswith(prefix)})
    rest = [entry for entry in entries if entry[0] > after]
    shown = rest[:limit]
    return Page(
        names=[text for text, is_prefix in shown if not is_prefix],
        prefixes=[text for text, is_prefix in shown if is_prefix],
        next_token=_encode(shown[-1][0]) if len(rest) > limit else None,
    )


def _entry(name: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    if not delimiter:
        return name, False
    end = name.find(delimiter, len(prefix))
    return (name, False) if end < 0 else (name[: end + len(delimiter)], True)


def _encode(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _decode(token: str) -> str:
    return urlsafe_b64decode(token.encode()).decode()
