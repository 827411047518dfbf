"""A client in the storm: it submits jobs over HTTP, repeats what got no answer, and watches."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from service.jobs.lifecycle import OPEN
from tunecurve.client import Client
from tunecurve.errors import ApiError, UnreachableError
from tunecurve.transport import RETRIED_STATUSES

OPEN_JOBS = 2  # so that the storm meets work, and the calm is not spent on a backlog
PASSING = {"none"} | {str(status) for status in RETRIED_STATUSES}
_PAUSE_SECONDS = 0.3

Json = dict[str, Any]
T = TypeVar("T")


class Load:
    """Submissions by number: each with its key, until one answer comes."""

    def __init__(self, client: Client, *, dataset: str) -> None:
        self.jobs: list[str] = []
        self.answers: Counter[str] = Counter()  # those that were no success
        self._client, self._dataset = client, dataset
        self._open: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Submit nothing more; return once the last submission is answered."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            if len(self._open) < OPEN_JOBS:
                self._submit(len(self.jobs))
            for each in sorted(self._open):
                with contextlib.suppress(ApiError, UnreachableError):
                    if self._client.get("jobs", each)["state"] not in OPEN:
                        self._open.discard(each)

    def _submit(self, number: int) -> None:
        kind, spec = self._order(number)
        job = answered(
            lambda: self._client.submit(
                kind, spec, labels={"storm": str(number)}, idempotency_key=f"storm-{number}"
            ),
            odd=self.answers,
        )
        self.jobs.append(job["id"])
        self._open.add(job["id"])

    def _order(self, number: int) -> tuple[str, Json]:
        """Return kind and spec: evaluations, between them an experiment, and a sweep that races."""
        experiment = {"dataset": self._dataset, "seed": number, "shots": 0, "fresh": True}
        match number % 6:
            case 1:
                return "experiment", experiment
            case 4:
                race = {"racing": True, "metric": "exact_match", "sweep": {"epochs": [1, 2]}}
                return "experiment", experiment | race
            case _:
                spec = {"dataset": self._dataset, "seed": number, "variant": "zero_shot"}
                return "evaluate", spec


def answered(ask: Callable[[], T], *, odd: Counter[str]) -> T:
    """Ask until there is an answer; count those that are no success in `odd`.

    A refusal that is not one of the moment is raised.
    """
    while True:
        try:
            return ask()
        except UnreachableError:
            odd["none"] += 1
        except ApiError as error:
            odd[str(error.status)] += 1
            if str(error.status) not in PASSING:
                raise
