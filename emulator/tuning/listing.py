"""Filtering and paging of the tuning list, as pure functions."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.errors import GoogleError
from emulator.tuning.records import Tuning

_DEFAULT_PAGE_SIZE = 100
_LARGEST_PAGE_SIZE = 1000
_TERM = re.compile(
    r"""(?:labels\.(?P<key>[\w-]+)\s*(?:=\s*"?(?P<value>[^"\s]*)"?|(?P<any>:\s*\*))"""
    r"""|labels:(?P<has>[\w-]+)"""
    r"""|state\s*=\s*"?(?P<state>[A-Z_]+)"?)"""
)


@dataclass(frozen=True, slots=True)
class TuningPage:
    tunings: list[Tuning]
    next_token: str | None


def read_filter(expression: str) -> Callable[[Tuning], bool]:
    """Return the test for `labels.key="value"`, `labels.key:*` and `state="..."` joined by AND.

    Raises GoogleError 400 for anything else: a filter silently ignored would list too much.
    """
    terms = re.split(r"\s+AND\s+", expression.strip()) if expression.strip() else []
    found = [_read_term(term) for term in terms]
    return lambda tuning: all(_fits(tuning, term) for term in found)


def _read_term(text: str) -> re.Match[str]:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise GoogleError(400, "Invalid filter; known: labels.KEY, labels.KEY:*, state, AND.")
    return found


def _fits(tuning: Tuning, term: re.Match[str]) -> bool:
    if term["state"]:
        return tuning.state == term["state"]
    if term["any"] or term["has"]:
        return (term["key"] or term["has"]) in tuning.labels
    return tuning.labels.get(term["key"]) == term["value"]


def page_of(tunings: Sequence[Tuning], *, page_size: str | None, token: str | None) -> TuningPage:
    """Return one page, newest first; the token is the serial of the last tuning shown.

    New tunings do not shift later pages. Raises GoogleError 400 for a bad size or token.
    """
    size = _read_size(page_size)
    before = _read_token(token) if token else None
    rest = [
        tuning
        for tuning in sorted(tunings, key=lambda tuning: -tuning.serial)
        if before is None or tuning.serial < before
    ]
    shown = rest[:size]
    more = len(rest) > size
    return TuningPage(tunings=shown, next_token=_write_token(shown[-1].serial) if more else None)


def _read_size(text: str | None) -> int:
    if not text or text == "0":
        return _DEFAULT_PAGE_SIZE
    if not text.isdigit():
        raise GoogleError(400, "Invalid value at 'page_size' (TYPE_INT32).")
    return min(int(text), _LARGEST_PAGE_SIZE)


def _read_token(token: str) -> int:
    try:
        return int(urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise GoogleError(400, "Invalid page token.") from error


def _write_token(serial: int) -> str:
    return urlsafe_b64encode(str(serial).encode()).decode()
