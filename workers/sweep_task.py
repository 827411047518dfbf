"""Tasks that belong to no job: the ticker sends them again, so an outage is only logged."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service.errors import TunecurveError

log = structlog.get_logger()


@contextmanager
def left_to_the_next_message(task: str) -> Iterator[None]:
    """Log an outage and end: the row stays due, and the ticker sends the next message.

    Anything else is a fault of ours and is raised.
    """
    try:
        yield
    except TunecurveError as error:
        if not error.retryable:
            raise
        log.warning("task_left", task=task, code=error.code)
