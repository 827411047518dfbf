"""An administrator in the storm: erases projects amid their work, deletes outputs, lets files age.

Afterwards nothing of what was to go is left: no row, no object, nothing at the provider.
"""

import contextlib
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update

from bench.chaos.load import answered
from service.database import Model
from service.erasure.models import PendingErasure
from service.erasure.orphans import CleanServices, find_orphans
from service.jobs.lifecycle import OPEN
from service.task_queue import Queue
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tunecurve.client import Client
from tunecurve.errors import ApiError, UnreachableError

FILE_SECONDS = 20.0  # an uploaded file is kept so long, until a sweep
_LONGEST_WORK = 12.0  # seconds that a project has before it is erased
_GONE_BY = 150.0  # seconds after the storm
_CONFLICT, _NOT_FOUND = 409, 404
_SEEDS = 2_000_000  # of evaluations that no other job asks the same answers as


class Eraser:
    """What it has had erased, deleted and uploaded, and its answers that were no success."""

    def __init__(self, client: Client, *, url: str, dataset: str) -> None:
        self.projects: list[str] = []
        self.evaluations: list[str] = []
        self.files: list[str] = []
        self.answers: Counter[str] = Counter()
        self._client, self._url, self._dataset = client, url, dataset
        self._jobs: list[str] = []  # whose evaluations are deleted once they have ended
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._draw = random.Random(0)  # noqa: S311  nothing secret

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more; return once the last project is to be erased."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            self._upload(number)
            self._evaluate(number)
            self._erase_project(f"erased-{number}", seed=number)
            for job in [*self._jobs]:
                self._delete_evaluation(job)

    def _upload(self, number: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "rows.csv")
            file.write_text(f"text,target\nrow {number},a\n", encoding="utf-8")
            made = answered(lambda: self._client.upload(file), odd=self.answers)
        self.files.append(made["id"])

    def _evaluate(self, number: int) -> None:
        spec = {"dataset": self._dataset, "seed": _SEEDS + number, "variant": "zero_shot"}
        key = f"deleted-{number}"
        job = answered(
            lambda: self._client.submit("evaluate", spec, idempotency_key=key), odd=self.answers
        )
        self._jobs.append(job["id"])

    def _erase_project(self, name: str, *, seed: int) -> None:
        """Let a project work for a while, at the provider too; then erase it."""
        project = answered(lambda: self._project(name), odd=self.answers)
        scopes = ("read", "write")
        key = answered(
            lambda: self._client.create_project_key(project, name, scopes), odd=self.answers
        )
        source = {"type": "synthetic", "rows": 200, "seed": seed}
        prepare = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": 20}
        spec = {"prepare": prepare, "shots": 0, "seed": seed}
        with Client(self._url, key["secret"], timeout_seconds=15) as client:
            answered(
                lambda: client.submit("experiment", spec, idempotency_key=name), odd=self.answers
            )
        self._over.wait(self._draw.uniform(0, _LONGEST_WORK))
        answered(lambda: _unless(_NOT_FOUND, self._client.erase_project, project), odd=self.answers)
        self.projects.append(project)

    def _project(self, name: str) -> str:
        """Make a project, or find it where the answer that it was made has been lost."""
        made = _unless(_CONFLICT, self._client.create_project, name)
        known = self._client.list("projects")
        return str((made or next(each for each in known if each["name"] == name))["id"])

    def _delete_evaluation(self, job: str) -> None:
        with contextlib.suppress(ApiError, UnreachableError):
            found = self._client.get("jobs", job)
            if found["state"] in OPEN:
                return
            evaluation = found["outputs"]["evaluation"]
            answered(
                lambda: _unless(_NOT_FOUND, self._client.delete, "evaluations", evaluation),
                odd=self.answers,
            )
            self.evaluations.append(evaluation)
            self._jobs.remove(job)


def _unless(status: int, call: Any, *arguments: str) -> Any:
    """Return what a call returns, or None where it is refused with this status."""
    try:
        return call(*arguments)
    except ApiError as error:
        if error.status != status:
            raise
    return None


def account(eraser: Eraser, stack: Stack) -> dict[str, Any]:
    """Let the time until the next tries pass, sweep, and say what is left of what was to go."""
    sessions = stack.services.sessions

    def all_is_gone() -> bool:
        with sessions.transaction() as session:
            session.execute(update(PendingErasure).values(due_at=sessions.now()))
        stack.services.task_queue.send("erasure.purge", queue=Queue.POLL)
        return not left(eraser, stack)

    at_first = left(eraser, stack)
    with contextlib.suppress(AssertionError):
        eventually(all_is_gone, seconds=_GONE_BY, pause=2, what="what was erased goes")
    return {
        "projects erased": len(eraser.projects),
        "evaluations deleted": len(eraser.evaluations),
        "files aged out": len(eraser.files),
        "odd answers": dict(eraser.answers),
        "left at first": at_first,
        "left": left(eraser, stack),
    }


def left(eraser: Eraser, stack: Stack) -> dict[str, int]:
    """Count what is left, by where it is."""
    services = stack.services
    with services.sessions.reading() as session:
        old = services.sessions.now() - timedelta(seconds=FILE_SECONDS)
        counts = {name: session.scalar(query) or 0 for name, query in _rows(eraser, old=old)}
    orphans = find_orphans(
        CleanServices(
            services.sessions,
            lambda: [each.tunings for each in services.google.all()],
            lambda project_id: services.google.of(project_id).tunings,
            lambda: services.store,
            services.catalogue,
        )
    )
    counts["at the provider and in the store, of no project"] = orphans.others
    counts["objects of evaluations"] = sum(
        any(gone in key for gone in eraser.evaluations)
        for key in services.store.keys_below("projects")
    )
    return {name: count for name, count in counts.items() if count}


def _rows(eraser: Eraser, *, old: datetime) -> Iterator[tuple[str, Select[int]]]:
    """Yield by name how to count the rows that should not be there."""
    tables = Model.metadata.tables
    for name, table in tables.items():
        if "project_id" in table.c and name != "audit_entry":  # the trail stays
            yield name, _count(table.c.project_id.in_(eraser.projects))
    yield "project", _count(tables["project"].c.id.in_(eraser.projects))
    yield "evaluation deleted", _count(tables["evaluation"].c.id.in_(eraser.evaluations))
    cached = tables["response_cache"].c.evaluation_id
    yield "cached answers of them", _count(cached.in_(eraser.evaluations))
    file = tables["file"]
    yield "old file", _count(file.c.id.in_(eraser.files) & (file.c.created_at < old))
    yield "pending", select(func.count()).select_from(tables["pending_erasure"])


def _count(where: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).where(where)
