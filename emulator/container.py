"""Everything one server holds, put together in one place; each room gets what it needs."""

from dataclasses import dataclass
from pathlib import Path

from starlette.routing import Route

from emulator.admission.creations import CreationFaults
from emulator.admission.gate import Gate
from emulator.admission.identities import Identities
from emulator.admission.permissions import Permissions
from emulator.admission.quotas import Quotas, quota_facts
from emulator.batch.queue import BatchQueue
from emulator.batch.records import BatchStore
from emulator.batch.routes import BatchRoutes
from emulator.batch.rows import RowGenerator
from emulator.clock import CLOCK
from emulator.evaluation.checkpoint_runs import CheckpointRuns
from emulator.evaluation.routes import EvaluationRoutes
from emulator.experiments.routes import ExperimentRoutes
from emulator.inference.generation import Generator
from emulator.inference.predictor import Predictor
from emulator.inference.routes import InferenceRoutes
from emulator.ledger import Ledger
from emulator.messages import load_request_types
from emulator.models.routes import ModelRoutes
from emulator.settings import Settings
from emulator.storage.routes import StorageRoutes
from emulator.storage.store import ObjectStore
from emulator.storage.uploads import Uploads
from emulator.tuning.queue import TuningQueue
from emulator.tuning.routes import TuningRoutes
from emulator.tuning.store import TuningStore
from emulator.tuning.trainer import Trainer

_VERSIONS = ("v1", "v1beta1")


@dataclass(slots=True)
class _Current:
    """The settings in force; rooms read them at every use, for they change while it runs."""

    settings: Settings

    def __call__(self) -> Settings:
        return self.settings


class Emulator:
    """A server's state, with what an earlier one left in the folder."""

    def __init__(self, root: Path, *, settings: Settings) -> None:
        self._settings = _Current(settings)
        self._types = load_request_types()
        self.objects = ObjectStore(root / "storage")
        self.tunings = TuningStore(root / "tuning")
        if self.tunings.latest is not None:
            CLOCK.catch_up(self.tunings.latest)
        CLOCK.run_at(settings.clock_speed)
        self.ledger = Ledger()
        self.identities = Identities(self._settings)
        self._quotas = Quotas()
        self._gate = Gate(self._quotas)
        self._uploads = Uploads(self.objects)
        self._predictor = Predictor(self.tunings)
        self._generator = Generator(
            tunings=self.tunings,
            predictor=self._predictor,
            gate=self._gate,
            ledger=self.ledger,
            types=self._types,
            settings=self._settings,
        )
        self.queue = TuningQueue(
            self.tunings,
            objects=self.objects,
            trainer=Trainer(),
            deploy=self._predictor.load,
            evaluate=CheckpointRuns(self.objects, answer=self._predictor.answer).evaluate,
            settings=self._settings,
        )
        self._rows = RowGenerator(self._generator, quotas=self._quotas, settings=self._settings)
        self.batches = BatchQueue(
            BatchStore(root / "batch.sqlite"),
            objects=self.objects,
            rows=self._rows,
            settings=self._settings,
        )

    @property
    def settings(self) -> Settings:
        return self._settings()

    def routes(self) -> list[Route]:
        """Return the routes of Google's services."""
        faults = CreationFaults(self._gate, settings=self._settings)
        permissions = Permissions(self._settings)
        google = (
            InferenceRoutes(self._generator),
            BatchRoutes(self.batches, rows=self._rows, types=self._types.batch_job, faults=faults),
            EvaluationRoutes(self._types.evaluate_instances),
            ModelRoutes(self.tunings, undeploy_types=self._types.undeploy_model),
            ExperimentRoutes(self.tunings),
        )
        tunings = TuningRoutes(
            self.tunings,
            queue=self.queue,
            objects=self.objects,
            types=self._types.tuning_job,
            settings=self._settings,
            faults=faults,
        )
        storage = StorageRoutes(self.objects, self._uploads, held=permissions.held)
        return [
            *self.identities.routes(),
            *(route for v in _VERSIONS for room in google for route in room.routes(v)),
            *(route for v in _VERSIONS for route in permissions.guard_tunings(tunings.routes(v))),
            *permissions.guard_storage(storage.routes()),
        ]

    def apply(self, settings: Settings) -> None:
        """Take new settings; draws start anew, and buckets when anything about quotas changed."""
        if _all_quota_facts(settings) != _all_quota_facts(self.settings):
            self._quotas.clear()
        self._settings.settings = settings
        self._gate.clear_attempts()
        CLOCK.run_at(settings.clock_speed)
        self.queue.wake()

    def resume(self) -> None:
        """Continue the tunings and batches that an earlier server left unfinished."""
        self.queue.resume()
        self.batches.resume()

    async def reset(self) -> None:
        """Delete objects, tunings, models and counts; the settings stay."""
        await self.queue.halt()
        await self.batches.halt()
        for kept in (
            *(self.batches.jobs, self.tunings, self._predictor, self.objects),
            *(self._uploads, self.ledger, self._quotas, self.identities),
        ):
            kept.clear()
        self.apply(self.settings)

    async def stop(self) -> None:
        await self.queue.stop()
        await self.batches.halt()
        self.batches.jobs.close()
        self._predictor.stop()
        self.objects.close()
        self.tunings.close()


def _all_quota_facts(settings: Settings) -> object:
    models = {name: quota_facts(settings.of_model(name)) for name in settings.models}
    return quota_facts(settings), models
