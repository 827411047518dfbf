"""Everything one server holds, and how a request finds it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.requests import Request

from emulator.admission import Gate
from emulator.batch.queue import BatchQueue
from emulator.batch.store import BatchStore
from emulator.clock import CLOCK
from emulator.inference.answerer import Answerer
from emulator.ledger import Ledger
from emulator.protos import RequestTypes, load_request_types
from emulator.quotas import Quotas, quota_facts
from emulator.settings import Settings
from emulator.storage.resumable import ResumableUpload
from emulator.storage.store import ObjectStore
from emulator.tuning.learner import Learner
from emulator.tuning.queue import TuningQueue
from emulator.tuning.store import TuningStore


@dataclass(slots=True)
class Emulator:
    settings: Settings
    request_types: RequestTypes
    objects: ObjectStore
    tunings: TuningStore
    answerer: Answerer
    batch_jobs: BatchStore
    ledger: Ledger = field(default_factory=Ledger)
    quotas: Quotas = field(default_factory=Quotas)
    gate: Gate = field(init=False)
    uploads: dict[str, ResumableUpload] = field(default_factory=dict)
    queue: TuningQueue = field(init=False)
    batches: BatchQueue = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.quotas)
        self.queue = TuningQueue(
            self.tunings,
            objects=self.objects,
            learner=Learner(),
            deploy=self.answerer.load,
            settings=lambda: self.settings,
        )
        self.batches = BatchQueue(
            self.batch_jobs, objects=self.objects, settings=lambda: self.settings
        )
        CLOCK.run_at(self.settings.clock_speed)

    def apply(self, settings: Settings) -> None:
        """Take new settings; draws start anew, and buckets when anything about quotas changed."""
        if _quota_facts(settings) != _quota_facts(self.settings):
            self.quotas.clear()
        self.settings = settings
        self.gate.forget_attempts()
        CLOCK.run_at(settings.clock_speed)
        self.queue.wake()

    async def reset(self) -> None:
        """Forget objects, tunings, models and counts; the settings stay."""
        await self.queue.drop()
        await self.batches.drop()
        self.batch_jobs.clear()
        self.tunings.clear()
        self.answerer.clear()
        self.objects.clear()
        self.uploads.clear()
        self.ledger.clear()
        self.quotas.clear()
        self.apply(self.settings)

    async def stop(self) -> None:
        await self.queue.stop()
        await self.batches.drop()
        self.batch_jobs.close()
        self.answerer.stop()
        self.objects.close()
        self.tunings.close()


def _quota_facts(settings: Settings) -> object:
    models = {name: quota_facts(settings.of_model(name)) for name in settings.models}
    return quota_facts(settings), models


def open_emulator(root: Path, *, settings: Settings) -> Emulator:
    """Return a server's state, with what an earlier one left in the folder."""
    tunings = TuningStore(root / "tuning")
    if tunings.latest is not None:
        CLOCK.catch_up(tunings.latest)
    return Emulator(
        settings=settings,
        request_types=load_request_types(),
        objects=ObjectStore(root / "storage"),
        tunings=tunings,
        answerer=Answerer(tunings),
        batch_jobs=BatchStore(root / "batch.sqlite"),
    )


def emulator_of(request: Request) -> Emulator:
    return cast("Emulator", request.app.state.emulator)


def base_url_of(request: Request) -> str:
    return str(request.base_url).rstrip("/")
