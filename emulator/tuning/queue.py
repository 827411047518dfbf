"""The life of tunings after creation: waiting, learning one at a time, ending."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from emulator.clock import CLOCK, seconds_of, timestamp
from emulator.errors import StorageError
from emulator.settings import Settings
from emulator.storage.store import ObjectStore
from emulator.tuning.outcomes import (
    INTERNAL_CODE,
    NOT_FOUND_CODE,
    cancellation,
    ending,
    failure,
    outcome_of,
    unlearned,
)
from emulator.tuning.records import PREFERENCE, SERVED, Stage, State, Tuning
from emulator.tuning.store import TuningStore
from emulator.tuning.trainer import Reply, Trainer, TrainingTask

log = structlog.get_logger()

_TRAINING_SHARE = 0.9
DEFAULT_BETA = 0.1  # Google names none


class TuningQueue:
    """A tuning is RUNNING from when it has a place until it is learned and its time has passed.

    It SUCCEEDED when its model is loaded, so that the first call to its endpoint does not wait.

    Up to `concurrent_tunings` are RUNNING at once, the others QUEUED in order of creation; of the
    RUNNING ones one learns. All times are those of the emulator's clock.
    """

    def __init__(
        self,
        tunings: TuningStore,
        *,
        objects: ObjectStore,
        trainer: Trainer,
        deploy: Callable[[Tuning], Awaitable[None]],
        evaluate: Callable[[Tuning], Awaitable[list[dict[str, Any]]]],
        settings: Callable[[], Settings],
    ) -> None:
        self._tunings = tunings
        self._objects = objects
        self._trainer = trainer
        self._deploy, self._evaluate = deploy, evaluate
        self._settings = settings
        self._turn = asyncio.Lock()
        self._waiting: dict[str, None] = {}
        self._running: set[str] = set()
        self._cancelled_too_late: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Continue the tunings that an earlier server left unfinished; training starts over."""
        for tuning in self._tunings.unfinished():
            if tuning.state == State.CANCELLING:
                self._end(tuning.tuning_id, cancellation())
            else:
                self.submit(tuning.tuning_id)

    def submit(self, tuning_id: str) -> None:
        self._waiting[tuning_id] = None
        self._tasks[tuning_id] = asyncio.create_task(self._run_to_end(tuning_id))

    def is_full(self) -> bool:
        """Return whether one more tuning would wait for its place."""
        return len(self._tasks) >= self._settings().concurrent_tunings

    def cancel(self, tuning_id: str) -> None:
        """Begin to cancel: the state is CANCELLING now and CANCELLED soon.

        With `cancel_outcome` `succeed` the cancellation comes too late: the tuning ends as it would
        have, without waiting any longer than it takes to learn.
        """
        tuning = self._tunings.change(tuning_id, state=State.CANCELLING)
        if self._settings().of_model(tuning.base_model).cancel_outcome == "succeed":
            self._cancelled_too_late.add(tuning_id)
            self.wake()
        else:
            self._tasks[tuning_id].cancel()

    def wake(self) -> None:
        """Let waiting tunings look again: a place came free, the settings or the clock changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def halt(self) -> None:
        """Stop all work at once; unfinished tunings stay so, for `resume`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def stop(self) -> None:
        await self.halt()
        self._trainer.kill()

    async def _run_to_end(self, tuning_id: str) -> None:
        try:
            await self._run(tuning_id)
        except asyncio.CancelledError:
            tuning = self._tunings.get(tuning_id)
            if tuning is None or tuning.state != State.CANCELLING:
                raise
            await self._wait_until_elapsed(tuning, "cancel_seconds", since=CLOCK.seconds())
            self._end(tuning_id, cancellation())
        finally:
            self._waiting.pop(tuning_id, None)
            self._running.discard(tuning_id)
            self._cancelled_too_late.discard(tuning_id)
            self._tasks.pop(tuning_id, None)
            self.wake()

    async def _run(self, tuning_id: str) -> None:
        tuning = self._tunings.get(tuning_id)
        if tuning is None:
            return
        await self._wait_until_elapsed(tuning, "pending_seconds", since=seconds_of(tuning.created))
        await self._wait_for_place(tuning_id)
        started = CLOCK.seconds()
        tuning = self._move(
            tuning_id, State.RUNNING, Stage.PROCESSING_DATASET, started=timestamp(), history=[]
        )
        log.info("tuning_started", tuning_id=tuning_id, base_model=tuning.base_model)
        outcome = outcome_of(tuning, self._settings())
        reply = self._unread(tuning) or unlearned(outcome)
        reply = reply or await self._learn(tuning, started=started)
        await self._wait_until_elapsed(tuning, "tuning_seconds", since=started)
        self._end(tuning_id, ending(outcome, reply))

    async def _wait_for_place(self, tuning_id: str) -> None:
        """Wait until a RUNNING place is free and all earlier tunings have theirs; then take it."""
        while not self._is_next(tuning_id):
            tuning = self._tunings.get(tuning_id)
            if tuning and tuning.stage is None:
                self._move(tuning_id, State.QUEUED, Stage.WAITING_FOR_QUOTA)
            await self._changed.wait()
        del self._waiting[tuning_id]
        self._running.add(tuning_id)
        self.wake()

    def _is_next(self, tuning_id: str) -> bool:
        if tuning_id in self._cancelled_too_late:
            return True
        has_place = len(self._running) < self._settings().concurrent_tunings
        return has_place and next(iter(self._waiting)) == tuning_id

    async def _wait_until_elapsed(
        self, tuning: Tuning, name: str, *, since: float, share: float = 1.0
    ) -> None:
        """Wait until a share of a setting's seconds has passed; look again when things change."""
        while tuning.tuning_id not in self._cancelled_too_late:
            seconds = getattr(self._settings().of_model(tuning.base_model), name)
            left = since + share * seconds - CLOCK.seconds()
            if left <= 0:
                return
            # Not wait_for: in 3.11 it swallows a cancellation that meets the end of the wait.
            with suppress(TimeoutError):
                async with asyncio.timeout(left / CLOCK.speed):
                    await self._changed.wait()

    def _move(self, tuning_id: str, state: State, stage: Stage, **changes: Any) -> Tuning:
        """Change state and stage; one whose cancellation came too late stays CANCELLING."""
        if tuning_id in self._cancelled_too_late:
            state = State.CANCELLING
        return self._tunings.change(tuning_id, state=state, stage=stage, **changes)

    async def _learn(self, tuning: Tuning, *, started: float) -> Reply:
        """Return what came of the learning; a learned model is loaded, ready for its first call."""
        epochs: asyncio.Queue[Reply] = asyncio.Queue()

        def report(reply: Reply) -> None:
            if "training_rows" in reply:
                rows = reply["training_rows"]
                self._move(tuning.tuning_id, State.RUNNING, Stage.TUNING, training_rows=rows)
            if "epoch" in reply:
                epochs.put_nowait(reply["epoch"])

        async with asyncio.TaskGroup() as group:
            showing = group.create_task(self._show_epochs(tuning, epochs, started=started))
            reply = await self._train(tuning, report)
            if reply["outcome"] != "learned":
                showing.cancel()
        if reply["outcome"] == "learned":
            self._move(tuning.tuning_id, State.RUNNING, Stage.POST_PROCESSING)
        return reply

    def _unread(self, tuning: Tuning) -> Reply | None:
        """Return how a tuning fails whose rows are not there; None where they are."""
        try:
            self._objects.path_of(tuning.training_uri)
        except StorageError as error:
            return failure(NOT_FOUND_CODE, error.message)
        return None

    async def _train(self, tuning: Tuning, report: Callable[[Reply], None]) -> Reply:
        try:
            async with self._turn:
                reply = await self._trainer.train(self._task(tuning), report=report)
            if reply["outcome"] == "learned":
                await self._deploy(tuning)
                reply = {**reply, "evaluations": await self._evaluate(tuning)}
        except StorageError as error:
            return failure(NOT_FOUND_CODE, error.message)
        except (OSError, ValueError):
            return failure(INTERNAL_CODE, "The model was trained but could not be deployed.")
        return reply

    async def _show_epochs(
        self, tuning: Tuning, epochs: "asyncio.Queue[Reply]", *, started: float
    ) -> None:
        """Take each learned epoch into the history, and with it its checkpoint, at its own time.

        The epochs share all of the tuning's seconds but the last tenth. Not written to disk: after
        a kill learning starts over, and so do its epochs.
        """
        for number in range(1, tuning.epochs + 1):
            epoch = await epochs.get()
            share = _TRAINING_SHARE * number / tuning.epochs
            await self._wait_until_elapsed(tuning, "tuning_seconds", since=started, share=share)
            current = self._tunings.get(tuning.tuning_id)
            if current:
                current.history.append({**epoch, "moment": timestamp()})

    def _task(self, tuning: Tuning) -> TrainingTask:
        validation = tuning.validation_uri
        training = self._objects.path_of(tuning.training_uri)
        return TrainingTask(
            training=str(self._tunings.keep_data(tuning, training)),
            validation=str(self._objects.path_of(validation)) if validation else None,
            models={
                epoch: str(self._tunings.model_path(tuning, endpoint=endpoint))
                for epoch, endpoint in tuning.checkpoints.items()
            },
            epochs=tuning.epochs,
            learning_rate_multiplier=tuning.learning_rate_multiplier,
            seed=tuning.seed,
            earlier=[str(self._tunings.data_path(each)) for each in tuning.ancestors],
            epochs_before=tuning.epochs_before,
            pairs=tuning.spec_name == PREFERENCE,
            beta=tuning.beta or DEFAULT_BETA,
        )

    def _end(self, tuning_id: str, changes: dict[str, Any]) -> None:
        tuning = self._tunings.change(tuning_id, stage=None, ended=timestamp(), **changes)
        if not tuning.uploaded and tuning.state not in SERVED:
            self._tunings.forget_data(tuning)
        log.info("tuning_ended", tuning_id=tuning_id, state=tuning.state.value)
