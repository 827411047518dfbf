"""What is logged while a block runs, also by servers in threads of the test process."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict


@contextmanager
def captured_logs() -> Iterator[list[EventDict]]:
    """Yield the entries that are logged meanwhile, as `structlog.testing.capture_logs` does.

    That one empties the list of processors first, and fails what another thread logs just then.
    """
    kept, capture = structlog.get_config()["processors"], LogCapture()
    structlog.configure(processors=[capture])
    try:
        yield capture.entries
    finally:
        structlog.configure(processors=kept)
