"""Patience: poll until a condition holds, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_SECONDS = 300
"""Enough on a machine that is ten times too busy; it costs nothing where all is well."""


def eventually(
    probe: Callable[[], Result],
    *,
    seconds: float = PATIENCE_SECONDS,
    pause: float = 0.05,
    what: str = "",
) -> Result:
    """Return the first truthy answer of `probe`; fail after `seconds` naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(what or f"still {result!r} after {seconds} s")
        time.sleep(pause)
