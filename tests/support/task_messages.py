"""A task queue in memory: the second adapter of the port, for tests of one process."""

from service.task_queue import Queue


class MemoryTaskQueue:
    """Keeps messages in order; `away` makes it behave as a broker that cannot be reached."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, tuple[str, ...], Queue]] = []
        self.away = False

    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        if self.away:
            return False
        self.messages.append((task, ids, queue))
        return True

    def depth(self, queue: Queue) -> int | None:
        if self.away:
            return None
        return sum(message[2] is queue for message in self.messages)

    def fault(self) -> str | None:
        return "away" if self.away else None
