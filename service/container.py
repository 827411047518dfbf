"""The one place that builds concrete adapters; only entry points open it.

Everything is built when first asked for: the API never pays for what only workers need.
"""

from functools import cached_property

from service.database import Sessions, open_sessions
from service.datasets.operations import PREPARE
from service.evaluation.operations import Calling, Target, evaluate_kind
from service.experiments.operations import experiment_kind
from service.inference.operations import CallLimits
from service.inference.ports import Generator, Governor
from service.jobs.operations import JobKinds
from service.registry import Registry
from service.settings import Settings
from service.storage.operations import open_store
from service.storage.ports import ObjectStore
from service.task_queue import CeleryTaskQueue, TaskQueue
from service.tuning.operations import POLL, TuningPace, ready_model, tune_kind
from service.tuning.ports import TuningProvider
from service.tuning.providers.registry import PROVIDERS


def broker_url(redis_url: str) -> str:
    """Return a Redis address as Celery spells it: `unix:///s` is `redis+socket:///s` there."""
    return redis_url.replace("unix://", "redis+socket://", 1)


class Container:
    """Concrete adapters for one process and one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def sessions(self) -> Sessions:
        return open_sessions(self.settings.resolved_database_url)

    @cached_property
    def task_queue(self) -> TaskQueue:
        return CeleryTaskQueue(broker_url(self.settings.redis_url))

    @cached_property
    def store(self) -> ObjectStore:
        settings = self.settings
        return open_store(settings.resolved_storage, project=settings.google_cloud_project)

    @cached_property
    def kinds(self) -> JobKinds:
        base_model = self.settings.base_model
        kinds = (
            PREPARE,
            tune_kind(base_model),
            POLL,
            evaluate_kind(base_model, find_model=ready_model),
            experiment_kind(base_model),
        )
        return {kind.name: kind for kind in kinds}

    @cached_property
    def providers(self) -> Registry[TuningProvider]:
        return Registry(
            PROVIDERS.noun, {name: build(self.settings) for name, build in PROVIDERS.items()}
        )

    @cached_property
    def pace(self) -> TuningPace:
        settings = self.settings
        return TuningPace(
            poll_seconds=settings.poll_seconds,
            settle_seconds=settings.settle_seconds,
            deadline_hours=settings.tuning_deadline_hours,
        )

    @cached_property
    def calling(self) -> Calling:
        settings = self.settings
        limits = CallLimits(
            in_flight=settings.calls_in_flight,
            attempts=settings.call_attempts,
            timeout_seconds=settings.call_timeout_seconds,
        )
        return Calling(
            generator=self._generator,
            governor=self._governor,
            limits=limits,
            location=settings.location,
        )

    def _generator(self) -> Generator:
        from service.inference.generators.vertex import open_generator

        return open_generator(
            project=self.settings.google_cloud_project,
            endpoint=self.settings.vertex_endpoint,
            timeout_seconds=self.settings.call_timeout_seconds,
        )

    def _governor(self, target: Target) -> Governor:
        from service.inference.governor import RedisGovernor

        settings = self.settings
        return RedisGovernor(
            settings.redis_url,
            key=f"quota:{settings.google_cloud_project}/{target.location}/{target.base_model}",
            requests_per_minute=settings.requests_per_minute,
            burst_seconds=settings.burst_seconds,
        )

    def close(self) -> None:
        if "sessions" in self.__dict__:
            self.sessions.close()
