"""The one place that builds concrete adapters; only entry points open it.

Everything is built when first asked for: the API never pays for what only workers need.
"""

from functools import cached_property
from pathlib import Path

from service.catalogue.catalogue import Catalogue, Places, load_catalogue
from service.database import Sessions, open_sessions, parse_database_url
from service.datasets.formats.read_context import IngestionLimits, ingestion_limits
from service.datasets.operations import DRAFT, PREPARE
from service.datasets.sharding.shard_jobs import SourceShardConfig
from service.datasets.sources.hub_client import HubClient
from service.erasure.erasers import erasure_services
from service.erasure.ports import ErasureServices
from service.evaluation.batches.operation import polled_batches
from service.evaluation.metrics.user_metrics import register_user_metrics
from service.evaluation.operations import ASK, evaluate_kind
from service.evaluation.ports import (
    BatchConfig,
    CallConfig,
    EvaluationServices,
    ShardConfig,
    Target,
)
from service.experiments.operations import experiment_kind
from service.files.contents import FileLimits, file_limits
from service.generation.operations import GenerationServices
from service.google_adapters import GoogleIdentities
from service.inference.batches.ports import BatchProvider
from service.inference.cache import cache_rules
from service.inference.generators.local import LocalGenerator
from service.inference.governors import Governors, call_limits
from service.inference.local.folders import LocalModels, local_models
from service.inference.operations import shut_down
from service.inference.ports import Generator, Governor, StreamingGenerator
from service.jobs.paid_operations.pace import operation_pace
from service.jobs.paid_operations.polls import PolledTables
from service.jobs.ports import JobKinds, JobServices
from service.redis_address import RedisAddress
from service.registry import Registry
from service.settings import Settings
from service.shared_counts import SharedCounts
from service.storage.ports import ObjectStore
from service.storage.project_store import ProjectStore
from service.task_queue import CeleryTaskQueue, TaskQueue, queue_names
from service.tuning.inputs.access import OwnPlace
from service.tuning.kinds import POLL, tune_kind
from service.tuning.local_tuning import LocalTuningServices
from service.tuning.operations import TuningServices, open_limits
from service.tuning.polls import polled_tunings
from service.tuning.ports import TuningProvider
from service.tuning.queries import base_model_of, ready_model
from service.webhooks.addresses import UrlRules, url_rules
from service.webhooks.ports import Sender
from service.webhooks.signatures import WebhookSecrets

_NO_REDIS = "unix:///TUNECURVE_REDIS_URL-is-not-set"  # as one that is away: work is only accepted


class Container:
    """Concrete adapters for one process and one set of settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises Invalid where an address or time cannot be: so that it shows at the start."""
        self.settings, self.pace = settings, operation_pace(settings)
        if settings.metrics_folder:
            register_user_metrics(Path(settings.metrics_folder))
        parse_database_url(settings.resolved_database_url)
        self.redis = RedisAddress(settings.resolved_redis_url or _NO_REDIS)

    @cached_property
    def sessions(self) -> Sessions:
        return open_sessions(self.settings.resolved_database_url)

    @cached_property
    def task_queue(self) -> TaskQueue:
        return CeleryTaskQueue(self.redis.broker_url, queue_names(self.settings))

    @cached_property
    def google(self) -> GoogleIdentities:
        return GoogleIdentities(self.settings, lambda: self.catalogue, lambda: self.sessions)

    @cached_property
    def store(self) -> ObjectStore:
        if not self.settings.resolved_storage.startswith("gs://"):
            return self.google.of("").store
        return ProjectStore(lambda project_id: self.google.of(project_id).store)

    @cached_property
    def file_limits(self) -> FileLimits:
        return file_limits(self.settings)

    @cached_property
    def ingestion_limits(self) -> IngestionLimits:
        return ingestion_limits(self.settings)

    @cached_property
    def hub(self) -> HubClient:
        networks, setting = self.settings.hub_allow_networks, "TUNECURVE_HUB_ALLOW_NETWORKS"
        rules = url_rules(allow_networks=networks, setting=setting)
        endpoint = self.settings.hub_endpoint.rstrip("/")
        return HubClient(endpoint, rules) if endpoint else HubClient(rules=rules)

    @cached_property
    def url_rules(self) -> UrlRules:
        settings = self.settings
        return url_rules(
            allow_networks=settings.webhook_allow_networks, ports=settings.webhook_ports
        )

    @cached_property
    def sender(self) -> Sender:
        from service.webhooks.sender import WebhookSender

        return WebhookSender(self.url_rules)

    @cached_property
    def webhook_secrets(self) -> WebhookSecrets:
        return WebhookSecrets(self.settings.master_key.get_secret_value())

    @cached_property
    def catalogue(self) -> Catalogue:
        settings = self.settings
        return load_catalogue(
            Path(settings.catalogue) if settings.catalogue else None,
            prices=Path(settings.prices) if settings.prices else None,
            places=Places(settings.location, settings.serving_location, emulated=settings.emulated),
        )

    @cached_property
    def kinds(self) -> JobKinds:
        base_model, catalogue = self.settings.base_model, self.catalogue
        place = OwnPlace(self.settings.resolved_storage, self.settings.google_cloud_project)
        kinds = (
            PREPARE,
            DRAFT,
            tune_kind(base_model, catalogue=catalogue, place=place),
            POLL,
            evaluate_kind(
                base_model,
                find_model=ready_model,
                find_base_model=base_model_of,
                catalogue=catalogue,
            ),
            ASK,
            experiment_kind(base_model, catalogue=catalogue),
        )
        return {kind.name: kind for kind in kinds}

    @cached_property
    def jobs(self) -> JobServices:
        return JobServices(self.kinds, self.sessions, self.task_queue)

    def providers(self, project_id: str) -> Registry[TuningProvider]:
        """Return what a project's tunings are sent to."""
        return self.google.of(project_id).providers

    @cached_property
    def tuning(self) -> TuningServices:
        return TuningServices(
            sessions=self.sessions,
            providers=self.providers,
            pace=self.pace,
            deadline_hours=self.settings.tuning_deadline_hours,
            catalogue=self.catalogue,
            most_open=open_limits(self.settings),
            store=lambda: self.store,
            preflight=lambda project_id: self.google.of(project_id).preflight,
        )

    @cached_property
    def _local_models(self) -> LocalModels:
        return local_models(self.settings, store=lambda: self.store)

    @cached_property
    def local_tuning(self) -> LocalTuningServices:
        return LocalTuningServices(
            sessions=self.sessions,
            store=self.store,
            models=self._local_models,
            folder=self.settings.folder / "trainings",
            catalogue=self.catalogue,
        )

    @cached_property
    def polled_tables(self) -> PolledTables:
        account_of = self.google.account_of
        return (
            polled_tunings(self.providers, account_of=account_of, store=lambda: self.store),
            polled_batches(self._batches, account_of=account_of, store=lambda: self.store),
        )

    @cached_property
    def evaluation_services(self) -> EvaluationServices:
        return EvaluationServices(
            sessions=self.sessions,
            store=self.store,
            find_model=ready_model,
            calls=self._call_config,
            batches=self._batch_config,
            shards=ShardConfig(self.jobs, self.settings.evaluate_slots),
        )

    @cached_property
    def _call_config(self) -> CallConfig:
        return CallConfig(
            generator=self._generator,
            governor=self._governor,
            limits=lambda target: call_limits(self.settings, local=target.is_local),
            catalogue=self.catalogue,
            cache=cache_rules(self.settings),
        )

    def _generator(self, target: Target, project_id: str) -> Generator:
        return self.local if target.is_local else self.google.of(project_id).generator

    def _streaming(self, target: Target, project_id: str) -> StreamingGenerator:
        return self._relay if target.is_local else self.google.of(project_id).generator

    def _governor(self, target: Target, project_id: str) -> Governor:
        project = self.google.of(project_id).project
        return self._governors.of(project, target.location, target.base_model)

    @cached_property
    def prepare_sharding(self) -> SourceShardConfig:
        return SourceShardConfig(self.jobs, self.settings.prepare_shard_rows)

    @cached_property
    def _batch_config(self) -> BatchConfig:
        return BatchConfig(
            provider=self._batches,
            outputs=lambda project_id, folder: self.google.of(project_id).outputs(folder),
            store=self.store,
            pace=self.pace,
        )

    def _batches(self, project_id: str) -> BatchProvider:
        return self.google.of(project_id).batches

    @cached_property
    def local(self) -> LocalGenerator:
        return LocalGenerator(self._local_models)

    @cached_property
    def _relay(self) -> StreamingGenerator:
        from service.inference.redis_relay import open_relay

        return open_relay(self.settings, self.redis.url, self.task_queue)

    @cached_property
    def shared_counts(self) -> SharedCounts | None:
        """What the API's processes count together; None where there is no Redis."""
        if not self.settings.resolved_redis_url:
            return None
        return SharedCounts(self.redis.url, prefix=queue_names(self.settings).prefix)

    @cached_property
    def _governors(self) -> Governors:
        return Governors(self.settings, redis_url=self.redis.url)

    @cached_property
    def generation(self) -> GenerationServices:
        return GenerationServices(
            sessions=self.sessions,
            find_model=ready_model,
            calls=self._call_config,
            generator=self._streaming,
        )

    @cached_property
    def erasure(self) -> ErasureServices:
        return erasure_services(
            self.sessions,
            store=lambda: self.store,
            providers=self.providers,
            batches=self._batches,
        )

    def close(self) -> None:
        """Close what was opened; nothing is opened for it."""
        opened = self.__dict__
        generators: list[Generator] = []
        if "google" in opened:
            generators += self.google.opened_generators()
        generators += [opened[name] for name in ("local", "_relay") if name in opened]
        if generators:
            shut_down(*generators, *self._governors.opened)
        if "sessions" in opened:
            self.sessions.close()
