"""What may be said of an unexpected exception: its kind and place, and no data.

An exception's own words may quote a row or a prompt, so they are shown only where they cannot:
names of modules, what the system said of a file or a connection, and that memory ran out.
"""

import os
import traceback
from collections.abc import Iterator
from types import FrameType

_OWN = frozenset({"api", "emulator", "service", "workers"})  # our packages, wherever they lie


def where_raised(error: BaseException) -> list[str]:
    """Return our own frames of an error, outermost first, such as `service.money:12 dollars`; last
    the place in a library that raised it, where it was one.
    """
    frames = list(_frames(error))
    own = [each for each in frames[:-1] if _is_own(each[0])]
    return [_place(*each) for each in [*own, *frames[-1:]]]


def unexpected(error: BaseException) -> str:
    """Return kind, place and safe words of an error, such as `ImportError in
    service.tuning.providers.local.trainer:88: No module named 'peft'`.
    """
    own = [each for each in _frames(error) if _is_own(each[0])]
    place = f" in {_module(own[-1][0])}:{own[-1][1]}" if own else ""
    words = _safe_words(error)
    return f"{type(error).__name__}{place}{f': {words}' if words else ''}"


def _safe_words(error: BaseException) -> str:
    match error:
        case ImportError():
            return str(error)
        case OSError(errno=int() as number):
            return os.strerror(number)
        case MemoryError():
            return "out of memory"
        case _:
            return ""


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    return traceback.walk_tb(error.__traceback__)


def _is_own(frame: FrameType) -> bool:
    return _module(frame).partition(".")[0] in _OWN


def _place(frame: FrameType, line: int) -> str:
    return f"{_module(frame)}:{line} {frame.f_code.co_name}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
