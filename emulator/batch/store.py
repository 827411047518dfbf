"""Batch prediction jobs in a file, and in memory for as long as the server runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.batch.records import BatchJob, read_job
from emulator.documents import Documents
from emulator.timestamps import timestamp


class BatchStore:
    """A job is less than a KB: its rows are in Cloud Storage."""

    def __init__(self, path: Path) -> None:
        self._documents = Documents(path)
        jobs = [read_job(document) for document in self._documents.all()]
        self._jobs = {job.job_id: job for job in jobs}
        self._last_serial = max((job.serial for job in jobs), default=0)

    def close(self) -> None:
        self._documents.close()

    def clear(self) -> None:
        self._documents.clear()
        self._jobs.clear()

    def next_serial(self) -> int:
        self._last_serial += 1
        return self._last_serial

    def all(self) -> list[BatchJob]:
        """Return the jobs in order of creation."""
        return sorted(self._jobs.values(), key=lambda job: job.serial)

    def get(self, job_id: str) -> BatchJob | None:
        return self._jobs.get(job_id)

    def put(self, job: BatchJob) -> BatchJob:
        self._documents.put(job.job_id, job.as_json())
        self._jobs[job.job_id] = job
        return job

    def remember(self, job: BatchJob) -> None:
        """Replace the job in memory only: counts of rows start over after a restart."""
        self._jobs[job.job_id] = job

    def delete(self, job_id: str) -> None:
        self._documents.delete(job_id)
        del self._jobs[job_id]

    def change(self, job_id: str, **changes: Any) -> BatchJob:
        """Store the job with some fields replaced and its `updateTime` set to now."""
        return self.put(replace(self._jobs[job_id], updated=timestamp(), **changes))
