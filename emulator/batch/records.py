"""A batch prediction job as it is kept, and the BatchPredictionJob it is shown as."""

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from emulator.catalogue import generation_cost
from emulator.clock import timestamp
from emulator.documents import Documents


class State(StrEnum):
    PENDING = "JOB_STATE_PENDING"
    RUNNING = "JOB_STATE_RUNNING"
    SUCCEEDED = "JOB_STATE_SUCCEEDED"
    FAILED = "JOB_STATE_FAILED"
    CANCELLING = "JOB_STATE_CANCELLING"
    CANCELLED = "JOB_STATE_CANCELLED"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what became of them, and the tokens of those that were answered."""

    successful: int = 0
    failed: int = 0
    incomplete: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def resource(self) -> dict[str, str]:
        named = {
            "successfulCount": self.successful,
            "failedCount": self.failed,
            "incompleteCount": self.incomplete,
        }
        return {name: str(count) for name, count in named.items() if count}


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job; `requested` are the client's fields in Google's JSON, `project` is a number."""

    job_id: str
    serial: int
    project: str
    location: str
    model: str
    requested: dict[str, Any]
    input_uri: str
    output_prefix: str
    created: str
    updated: str
    state: State = State.PENDING
    started: str | None = None
    ended: str | None = None
    error: dict[str, Any] | None = None
    output_directory: str | None = None
    counts: Counts = field(default_factory=Counts)
    base_model: str = ""
    tuned: bool = False

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def name(self) -> str:
        return f"{self.parent}/batchPredictionJobs/{self.job_id}"

    @property
    def cost_usd(self) -> float | None:
        """The list price of the rows answered; None where the catalogue has no price."""
        return generation_cost(
            self.base_model,
            location=self.location,
            tuned=self.tuned,
            batch=True,
            prompt_tokens=self.counts.prompt_tokens,
            output_tokens=self.counts.output_tokens,
        )

    def resource(self) -> dict[str, Any]:
        """Return the job as Google shows it: enums by name, int64 as strings."""
        directory = self.output_directory
        optional = {
            "startTime": self.started,
            "endTime": self.ended,
            "error": self.error,
            "outputInfo": {"gcsOutputDirectory": directory} if directory else None,
            "completionStats": self.counts.resource() if self.state in ENDED else None,
        }
        always = {
            "name": self.name,
            "state": self.state.value,
            "createTime": self.created,
            "updateTime": self.updated,
        }
        return self.requested | always | {name: each for name, each in optional.items() if each}

    def summary(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state.value,
            "model": self.model,
            "base_model": self.base_model,
            "tuned": self.tuned,
            "cost_usd": self.cost_usd,
            **asdict(self.counts),
        }


def read_job(document: dict[str, Any]) -> BatchJob:
    kinds = {"state": State(document["state"]), "counts": Counts(**document["counts"])}
    return BatchJob(**(document | kinds))


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
        self._documents.put(job.job_id, asdict(job))
        self._jobs[job.job_id] = job
        return job

    def put_in_memory(self, job: BatchJob) -> None:
        """Replace the job in memory only: counts of rows start over after a restart."""
        self._jobs[job.job_id] = job

    def delete(self, job_id: str) -> None:
        self._documents.delete(job_id)
        del self._jobs[job_id]

    def change(self, job_id: str, **changes: Any) -> BatchJob:
        """Store the job with some fields replaced and its `updateTime` set to now."""
        return self.put(replace(self._jobs[job_id], updated=timestamp(), **changes))
