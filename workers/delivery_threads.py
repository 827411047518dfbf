"""Deliveries beside the jobs of a worker's slot: an endpoint that hangs holds a thread, no slot."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

import structlog

from workers.sweep_task import left_to_the_next_message

log = structlog.get_logger()

_AT_ONCE = 16  # endpoints of one slot that may hang, each for 15 s at most


class DeliveryThreads:
    """Keeps no queue: what finds no thread stays due, and the ticker sends its next message."""

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._free = Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="delivery")

    def start(self, deliver: Callable[[], None]) -> bool:
        """Run it in a thread, and return whether one was free."""
        if not self._free.acquire(blocking=False):
            return False
        self._threads.submit(self._run, deliver)
        return True

    def finish(self) -> None:
        """Wait for those under way; a delivery that is cut off is made again in a minute."""
        self._threads.shutdown()

    def _run(self, deliver: Callable[[], None]) -> None:
        try:
            with left_to_the_next_message("webhooks.deliver"):
                deliver()
        except Exception as error:  # the edge of the thread, as that of a task
            log.exception("delivery_failed", error=type(error).__name__)
        finally:
            self._free.release()
