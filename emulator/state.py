"""Everything one server holds, and how a request finds it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.requests import Request

from emulator.inference.answerer import Answerer
from emulator.latency import Latency
from emulator.ledger import Ledger
from emulator.protos import RequestTypes, load_request_types
from emulator.quotas import Quotas
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
    ledger: Ledger = field(default_factory=Ledger)
    quotas: Quotas = field(default_factory=Quotas)
    latency: Latency = field(default_factory=lambda: Latency(0))
    uploads: dict[str, ResumableUpload] = field(default_factory=dict)
    queue: TuningQueue = field(init=False)

    def __post_init__(self) -> None:
        self.queue = TuningQueue(
            self.tunings,
            objects=self.objects,
            learner=Learner(),
            deploy=self.answerer.load,
            settings=lambda: self.settings,
        )
        self.latency = Latency(self.settings.seed)

    def apply(self, settings: Settings) -> None:
        """Take new settings; buckets and the sequence of delays start anew."""
        self.settings = settings
        self.quotas.clear()
        self.latency = Latency(settings.seed)
        self.queue.wake()

    async def reset(self) -> None:
        """Forget objects, tunings, models and counts; the settings stay."""
        await self.queue.drop()
        self.tunings.clear()
        self.answerer.clear()
        self.objects.clear()
        self.uploads.clear()
        self.ledger.clear()
        self.apply(self.settings)

    async def stop(self) -> None:
        await self.queue.stop()
        self.answerer.stop()


def open_emulator(root: Path, *, settings: Settings) -> Emulator:
    """Return a server's state, with what an earlier one left in the folder."""
    tunings = TuningStore(root / "tuning")
    return Emulator(
        settings=settings,
        request_types=load_request_types(),
        objects=ObjectStore(root / "storage"),
        tunings=tunings,
        answerer=Answerer(tunings),
    )


def emulator_of(request: Request) -> Emulator:
    return cast("Emulator", request.app.state.emulator)


def base_url_of(request: Request) -> str:
    return str(request.base_url).rstrip("/")
