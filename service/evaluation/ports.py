"""What evaluation asks of its neighbours, and the bundle of services that its steps work with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import NO_SETTINGS, CallSettings
from service.catalogue.local_names import LOCAL
from service.database import Session, Sessions
from service.inference.batches.ports import BatchProvider
from service.inference.cache import CacheRules
from service.inference.ports import CallLimits, Generator, Governor
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.ports import JobServices
from service.storage.ports import ObjectStore


class CheckpointEndpoint(Protocol):
    """A tuned model as it was after some epoch; without an endpoint it cannot be asked."""

    @property
    def id(self) -> str: ...

    @property
    def epoch(self) -> int | None: ...

    @property
    def endpoint(self) -> str: ...


class TunedEndpoint(Protocol):
    """A finished model; the location is the one inside the endpoint's own name.

    `checkpoints` are in the order of their epochs.
    """

    @property
    def checkpoints(self) -> Sequence[CheckpointEndpoint]: ...

    @property
    def base_model(self) -> str: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def train_size(self) -> int | None: ...

    @property
    def is_classifier(self) -> bool: ...

    @property
    def ready_at(self) -> datetime: ...


class FindModel(Protocol):
    """Returns a finished model; raises NotFound, and InputNotReady while it is being made."""

    def __call__(self, model_id: str, *, project_id: str, session: Session) -> TunedEndpoint: ...


class FindBaseModel(Protocol):
    """Returns the base model of a model, which may be still to be made; empty where unknown."""

    def __call__(self, model_id: str, *, project_id: str, session: Session) -> str: ...


@dataclass(frozen=True, slots=True)
class Target:
    """The model that the requests of an evaluation are sent to.

    `tuned` for a tuned endpoint, which there is since `ready_at`. A classifier reads the text
    alone and answers with a label.
    """

    name: str
    base_model: str
    location: str
    tuned: bool = False
    settings: CallSettings = NO_SETTINGS
    ready_at: datetime | None = None
    is_classifier: bool = False

    @property
    def is_local(self) -> bool:
        return self.location == LOCAL


@dataclass(frozen=True, slots=True)
class CallConfig:
    """How calls are made: adapter and governor of a target for a project, by its id, and the
    limits of one process.

    `cache` is None where answers are not cached.
    """

    generator: Callable[[Target, str], Generator]
    governor: Callable[[Target, str], Governor]
    limits: Callable[[Target], CallLimits]
    catalogue: Catalogue
    cache: CacheRules | None = None


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How a project's batches, by its id, are sent; `outputs` reads, for one, the files that a
    provider has written below an address.
    """

    provider: Callable[[str], BatchProvider]
    outputs: Callable[[str, str], Iterator[Iterator[bytes]]]
    store: ObjectStore
    pace: OperationPace


@dataclass(frozen=True, slots=True)
class ShardConfig:
    """How shard jobs are written, and how many shards a large evaluation has at most."""

    jobs: JobServices
    slots: int


@dataclass(frozen=True, slots=True)
class EvaluationServices:
    """All that the steps of an evaluation work with; built once for each process."""

    sessions: Sessions
    store: ObjectStore
    find_model: FindModel
    calls: CallConfig
    batches: BatchConfig
    shards: ShardConfig
