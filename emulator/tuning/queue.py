"""The life of tunings after creation: waiting, learning one at a time, ending."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from emulator.errors import StorageError
from emulator.settings import Settings
from emulator.storage.store import ObjectStore
from emulator.timestamps import age_seconds, timestamp
from emulator.tuning.learner import Learner, Reply
from emulator.tuning.records import ENDED, State, Tuning
from emulator.tuning.store import TuningStore
from emulator.tuning.tasks import Task

log = structlog.get_logger()

_CANCELLED_CODE = 1
_NOT_FOUND_CODE = 5
_INTERNAL_CODE = 13


class TuningQueue:
    """A tuning is RUNNING from its turn at the learner until `tuning_seconds` have passed.

    It SUCCEEDED when its model is loaded, so that the first call to its endpoint does not wait.

    Up to `concurrent_tunings` are RUNNING at once; one of them learns, in order of creation.
    """

    def __init__(
        self,
        tunings: TuningStore,
        *,
        objects: ObjectStore,
        learner: Learner,
        deploy: Callable[[Tuning], Awaitable[None]],
        settings: Callable[[], Settings],
    ) -> None:
        self._tunings = tunings
        self._objects = objects
        self._learner = learner
        self._deploy = deploy
        self._settings = settings
        self._turn = asyncio.Lock()
        self._running: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Take up what an earlier server left unfinished; learning starts over."""
        for tuning in self._tunings.all():
            if tuning.state == State.CANCELLING:
                self._end_cancelled(tuning.tuning_id)
            elif tuning.state not in ENDED:
                self.submit(tuning.tuning_id)

    def submit(self, tuning_id: str) -> None:
        self._tasks[tuning_id] = asyncio.create_task(self._see_through(tuning_id))

    def cancel(self, tuning_id: str) -> None:
        """Begin to cancel: the state is CANCELLING now and CANCELLED soon."""
        self._tunings.change(tuning_id, state=State.CANCELLING)
        self._tasks[tuning_id].cancel()

    def wake(self) -> None:
        """Let waiting tunings look again: a place came free or the settings changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def drop(self) -> None:
        """Stop all work at once; what was PENDING or RUNNING stays so, for `resume`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def stop(self) -> None:
        await self.drop()
        self._learner.kill()

    async def _see_through(self, tuning_id: str) -> None:
        try:
            await self._run(tuning_id)
        except asyncio.CancelledError:
            tuning = self._tunings.get(tuning_id)
            if tuning is None or tuning.state != State.CANCELLING:
                raise
            self._end_cancelled(tuning_id)
        finally:
            self._running.discard(tuning_id)
            self._tasks.pop(tuning_id, None)
            self.wake()

    async def _run(self, tuning_id: str) -> None:
        async with self._turn:
            await self._wait_for_place(tuning_id)
            started = time.monotonic()
            now = timestamp()
            tuning = self._tunings.change(tuning_id, state=State.RUNNING, started=now, history=[])
            log.info("tuning_started", tuning_id=tuning_id, base_model=tuning.base_model)
            reply = await self._learn(tuning)
        if reply["outcome"] == "learned":
            reply = await self._deployed(tuning, reply)
        await asyncio.sleep(self._settings().tuning_seconds - (time.monotonic() - started))
        self._end(tuning_id, reply)

    async def _deployed(self, tuning: Tuning, reply: Reply) -> Reply:
        try:
            await self._deploy(tuning)
        except (OSError, ValueError):
            message = "The model was trained but could not be deployed."
            return {"outcome": "failed", "code": _INTERNAL_CODE, "message": message}
        return reply

    async def _wait_for_place(self, tuning_id: str) -> None:
        """Wait until the least PENDING time is over and a RUNNING place is free; then take it."""
        while True:
            changed = self._changed
            tuning = self._tunings.get(tuning_id)
            age = age_seconds(tuning.created) if tuning else 0.0
            left_seconds = self._settings().pending_seconds - age
            if left_seconds <= 0 and len(self._running) < self._settings().concurrent_tunings:
                self._running.add(tuning_id)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left_seconds if left_seconds > 0 else None)

    async def _learn(self, tuning: Tuning) -> Reply:
        try:
            task = self._task(tuning)
        except StorageError as error:
            return {"outcome": "failed", "code": _NOT_FOUND_CODE, "message": error.message}

        def report(reply: Reply) -> None:
            self._note(tuning.tuning_id, reply)

        return await self._learner.learn(task, report=report)

    def _task(self, tuning: Tuning) -> Task:
        validation = tuning.validation_uri
        return Task(
            training=self._path(tuning.training_uri),
            validation=self._path(validation) if validation else None,
            model=str(self._tunings.model_path(tuning)),
            epochs=tuning.epochs,
            learning_rate_multiplier=tuning.learning_rate_multiplier,
            seed=tuning.seed,
        )

    def _path(self, uri: str) -> str:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        return str(self._objects.payload_path(self._objects.get(bucket, name)))

    def _note(self, tuning_id: str, reply: Reply) -> None:
        tuning = self._tunings.get(tuning_id)
        if tuning is None:
            return
        if "training_rows" in reply:
            self._tunings.change(tuning_id, training_rows=reply["training_rows"])
        if "epoch" in reply:
            self._tunings.change(tuning_id, history=[*tuning.history, reply["epoch"]])

    def _end(self, tuning_id: str, reply: Reply) -> None:
        changes: dict[str, Any] = {"ended": timestamp()}
        if reply["outcome"] == "learned":
            changes |= {name: reply[name] for name in ("head", "history", "data_stats")}
            tuning = self._tunings.change(tuning_id, state=State.SUCCEEDED, **changes)
        else:
            error = {"code": reply["code"], "message": reply["message"]}
            tuning = self._tunings.change(tuning_id, state=State.FAILED, error=error, **changes)
        log.info("tuning_ended", tuning_id=tuning_id, state=tuning.state.value)

    def _end_cancelled(self, tuning_id: str) -> None:
        error = {"code": _CANCELLED_CODE, "message": "The tuning job was cancelled."}
        now = timestamp()
        self._tunings.change(tuning_id, state=State.CANCELLED, ended=now, error=error)
        log.info("tuning_ended", tuning_id=tuning_id, state=State.CANCELLED.value)
