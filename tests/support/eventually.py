"""Patience: poll until a condition holds, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def eventually(
    probe: Callable[[], Result], *, seconds: float = 20, pause: float = 0.05, what: str = ""
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
