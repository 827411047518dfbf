"""The life of batch jobs after creation: each runs in a task of its own, row after row."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from emulator.batch.records import ENDED, BatchJob, BatchStore, Counts, State
from emulator.batch.rows import RowGenerator
from emulator.clock import CLOCK, timestamp
from emulator.errors import GoogleError
from emulator.settings import Settings
from emulator.storage.objects import Draft, Preconditions, split_uri
from emulator.storage.store import ObjectStore, Payload

log = structlog.get_logger()

_CANCELLED_CODE = 1
_INVALID_CODE = 3
_NOT_FOUND_CODE = 5
_INTERNAL_CODE = 13
_MOST_ROWS = 200_000
_MOST_ROW_NUMBERS = 10**6
_POLL_SECONDS = 0.1
_LONGEST_RUN_SECONDS = 24 * 3600


class RunTimeExceededError(Exception):
    """The job has been RUNNING for the longest time that the service allows."""


class BatchQueue:
    """A job is RUNNING until its rows are answered and `batch_seconds` have passed.

    The output is written once, at the end; a cancelled job leaves the rows answered so far.
    """

    def __init__(
        self,
        jobs: BatchStore,
        *,
        objects: ObjectStore,
        rows: RowGenerator,
        settings: Callable[[], Settings],
    ) -> None:
        self.jobs = jobs
        self._objects = objects
        self._rows = rows
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Continue the jobs that an earlier server left unfinished; their rows start over."""
        for job in self.jobs.all():
            if job.state == State.CANCELLING:
                self._end(job.job_id, State.CANCELLED)
            elif job.state not in ENDED:
                self.submit(job)

    def submit(self, job: BatchJob) -> None:
        self._tasks[job.job_id] = asyncio.create_task(self._run_to_end(job))

    def cancel(self, job_id: str) -> None:
        """Begin to cancel: the state is CANCELLING now and CANCELLED soon."""
        self.jobs.change(job_id, state=State.CANCELLING)
        self._tasks[job_id].cancel()

    async def halt(self) -> None:
        """Stop all work at once; unfinished jobs stay so, for `resume`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _run_to_end(self, job: BatchJob) -> None:
        output = self._objects.new_payload()
        try:
            await self._run(job, output)
        except GoogleError as error:
            code = _NOT_FOUND_CODE if error.http_code == 404 else _INVALID_CODE  # noqa: PLR2004
            self._end_failed(job, code, error.message)
        except (OSError, ValueError, RecursionError) as error:
            self._end_failed(job, _INTERNAL_CODE, f"The job ended with {type(error).__name__}.")
        except asyncio.CancelledError:
            current = self.jobs.get(job.job_id)
            if current is None or current.state != State.CANCELLING:
                raise
            self._end_cancelled(current, output)
        except RunTimeExceededError:
            self._end_cancelled(job, output, reason="after 24 hours")
        finally:
            output.discard()
            self._tasks.pop(job.job_id, None)

    async def _run(self, job: BatchJob, output: Payload) -> None:
        started = CLOCK.seconds()
        self.jobs.change(job.job_id, state=State.RUNNING, started=timestamp())
        path = self._objects.path_of(job.input_uri)
        self._objects.get_bucket(split_uri(job.output_prefix)[0])
        await self._answer_rows(job, path, output, started=started)
        await self._wait_until_elapsed(started)
        directory = self._deliver(job, output)
        self._end(job.job_id, State.SUCCEEDED, output_directory=directory)

    async def _wait_until_elapsed(self, started: float) -> None:
        """Wait until `batch_seconds` have passed, looking again for a changed setting or clock."""
        while (left := self._left_seconds(started)) > 0:
            self._check_time(started)
            await asyncio.sleep(min(left / CLOCK.speed, _POLL_SECONDS))

    def _left_seconds(self, started: float) -> float:
        return started + self._settings().batch_seconds - CLOCK.seconds()

    def _check_time(self, started: float) -> None:
        if CLOCK.seconds() - started > _LONGEST_RUN_SECONDS:
            raise RunTimeExceededError

    async def _answer_rows(
        self, job: BatchJob, path: Path, output: Payload, *, started: float
    ) -> None:
        target = self._rows.find_target(job.model, parent=job.parent)
        total = _count_rows(path)
        self._count(job.job_id, Counts(incomplete=total))
        with path.open("rb") as lines:
            for number, line in enumerate(filter(bytes.strip, lines)):
                self._check_time(started)
                serial = job.serial * _MOST_ROW_NUMBERS + number
                row = await self._rows.answer(line, target=target, serial=serial)
                output.write(row.line)
                self._count(job.job_id, row.added_to(self._counts(job.job_id)))

    def _counts(self, job_id: str) -> Counts:
        job = self.jobs.get(job_id)
        return job.counts if job else Counts()

    def _count(self, job_id: str, counts: Counts) -> None:
        job = self.jobs.get(job_id)
        if job:
            self.jobs.put_in_memory(replace(job, counts=counts))

    def _end_failed(self, job: BatchJob, code: int, message: str) -> None:
        self._end(job.job_id, State.FAILED, error={"code": code, "message": message})

    def _end_cancelled(self, job: BatchJob, output: Payload, *, reason: str = "by request") -> None:
        directory = self._deliver(job, output) if output.size_bytes else None
        message = f"The batch prediction job was cancelled {reason}."
        error = {"code": _CANCELLED_CODE, "message": message}
        self._end(job.job_id, State.CANCELLED, error=error, output_directory=directory)

    def _deliver(self, job: BatchJob, output: Payload) -> str:
        """Write the output into a folder named after the moment, and return the folder's URI."""
        directory = f"{job.output_prefix.rstrip('/')}/prediction-model-{timestamp()}"
        bucket, name = split_uri(f"{directory}/predictions.jsonl")
        draft = Draft(bucket, name, {"contentType": "application/octet-stream"}, {})
        self._objects.put(draft, output, preconditions=Preconditions())
        return directory

    def _end(self, job_id: str, state: State, **changes: object) -> None:
        self.jobs.change(job_id, state=state, ended=timestamp(), **changes)
        log.info("batch_ended", job_id=job_id, state=state.value)


def _count_rows(path: Path) -> int:
    with path.open("rb") as lines:
        total = sum(bool(line.strip()) for line in lines)
    if not 0 < total <= _MOST_ROWS:
        message = f"The input has {total} rows; a job takes from 1 to {_MOST_ROWS}."
        raise GoogleError(400, message)
    return total
