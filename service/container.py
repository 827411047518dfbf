"""The one place that builds concrete adapters; only entry points open it.

Everything is built when first asked for: the API never pays for what only workers need.
"""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from service.catalogue.catalogue import Catalogue, Places, load_catalogue
from service.database import Sessions, open_sessions, parse_database_url
from service.datasets.formats.read_context import IngestionLimits, ingestion_limits
from service.datasets.operations import DRAFT, PREPARE
from service.datasets.ports import TokenCounter
from service.datasets.sharding.shard_jobs import ShardingConfig
from service.datasets.sources.hub_client import HubClient
from service.erasure.erasers import erasure_services
from service.erasure.ports import ErasureServices
from service.evaluation.batches.operation import polled_batches
from service.evaluation.metrics.user_metrics import register_user_metrics
from service.evaluation.operations import ASK, evaluate_kind
from service.evaluation.ports import BatchConfig, CallConfig, EvaluationServices, ShardConfig
from service.experiments.operations import experiment_kind
from service.files.contents import FileLimits, file_limits
from service.generation.operations import GenerationServices
from service.inference.batches.ports import BatchProvider
from service.inference.cache import cache_rules
from service.inference.call_limits import call_limits
from service.inference.generators.local import LocalGenerator
from service.inference.governors import Governors
from service.inference.local.folders import LocalModels, local_models
from service.inference.operations import shut_down
from service.inference.ports import Generator, StreamingGenerator
from service.jobs.paid_operations.pace import operation_pace
from service.jobs.paid_operations.polls import PolledTables
from service.jobs.ports import JobKinds, JobServices
from service.redis_address import RedisAddress
from service.registry import Registry
from service.settings import Settings
from service.storage.gcs import read_gs_lines
from service.storage.ports import ObjectStore
from service.storage.stores import open_store
from service.task_queue import CeleryTaskQueue, TaskQueue, queue_names
from service.tuning.kinds import POLL, tune_kind
from service.tuning.local_tuning import LocalTuningServices
from service.tuning.operations import TuningServices, open_limits
from service.tuning.polls import polled_tunings
from service.tuning.ports import TuningProvider
from service.tuning.preflight.facts import Preflight, open_preflight
from service.tuning.providers.registry import PROVIDERS
from service.tuning.queries import base_model_of, ready_model
from service.webhooks.addresses import UrlRules, url_rules
from service.webhooks.ports import Sender
from service.webhooks.signatures import WebhookSecrets

if TYPE_CHECKING:
    from service.inference.generators.vertex import VertexGenerator

_NO_REDIS = "unix:///TUNECURVE_REDIS_URL-is-not-set"  # as one that is away: work is only accepted


class Container:
    """Concrete adapters for one process and one set of settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises Invalid where an address or time cannot be: that is told at the start."""
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
    def store(self) -> ObjectStore:
        settings = self.settings
        project, region = settings.google_cloud_project, settings.location
        return open_store(settings.resolved_storage, project=project, region=region)

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
        kinds = (
            PREPARE,
            DRAFT,
            tune_kind(base_model, catalogue=catalogue),
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

    @cached_property
    def providers(self) -> Registry[TuningProvider]:
        built = {name: build(self.settings) for name, build in PROVIDERS.items()}
        return Registry(PROVIDERS.noun, built)

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
            preflight=self.preflight,
        )

    @cached_property
    def preflight(self) -> Preflight:
        most = open_limits(self.settings)["vertex"]
        return open_preflight(self.settings, catalogue=self.catalogue, most_open=most)

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
        tunings = polled_tunings(lambda: self.providers, store=lambda: self.store)
        return tunings, polled_batches(lambda: self._batches, store=lambda: self.store)

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
            generator=lambda target: self.local if target.is_local else self._vertex(target.name),
            governor=lambda target: self._governors.of(target.location, target.base_model),
            limits=lambda target: call_limits(self.settings, local=target.is_local),
            catalogue=self.catalogue,
            cache=cache_rules(self.settings),
        )

    def _vertex(self, target: str) -> Generator:
        from service.inference.generators.evaluation_service import generator_of

        return generator_of(target, vertex=self._generator)

    @cached_property
    def prepare_sharding(self) -> ShardingConfig:
        return ShardingConfig(self.jobs, self.settings.prepare_shard_rows)

    @cached_property
    def token_counter(self) -> TokenCounter | None:
        if not (self.settings.count_tokens and self.settings.google_cloud_project):
            return None
        from service.inference.generators.token_counter import open_token_counter

        return open_token_counter(self.settings, locate=self.catalogue.serving_location)

    @cached_property
    def _batch_config(self) -> BatchConfig:
        settings = self.settings
        return BatchConfig(
            provider=lambda: self._batches,
            lines=partial(read_gs_lines, suffix=".jsonl", project=settings.google_cloud_project),
            store=self.store,
            pace=self.pace,
        )

    @cached_property
    def _batches(self) -> BatchProvider:
        from service.inference.batches.vertex import open_vertex_batches

        project, endpoint = self.settings.google_cloud_project, self.settings.vertex_endpoint
        seconds = self.pace.submit_seconds
        return open_vertex_batches(project=project, endpoint=endpoint, submit_seconds=seconds)

    @cached_property
    def local(self) -> LocalGenerator:
        return LocalGenerator(self._local_models)

    @cached_property
    def _relay(self) -> StreamingGenerator:
        from service.inference.redis_relay import open_relay

        return open_relay(self.settings, self.redis.url, self.task_queue)

    @cached_property
    def _generator(self) -> "VertexGenerator":
        from service.inference.generators.vertex import VertexGenerator

        return VertexGenerator(
            project=self.settings.google_cloud_project,
            endpoint=self.settings.vertex_endpoint,
            timeout_seconds=self.settings.call_timeout_seconds,
        )

    @cached_property
    def _governors(self) -> Governors:
        return Governors(self.settings, redis_url=self.redis.url)

    @cached_property
    def generation(self) -> GenerationServices:
        return GenerationServices(
            sessions=self.sessions,
            find_model=ready_model,
            calls=self._call_config,
            generator=lambda target: self._relay if target.is_local else self._generator,
        )

    @cached_property
    def erasure(self) -> ErasureServices:
        return erasure_services(
            self.sessions,
            store=lambda: self.store,
            providers=lambda: self.providers,
            batches=lambda: self._batches,
        )

    def close(self) -> None:
        """Close what was opened; nothing is opened for it."""
        opened = self.__dict__
        names = ("_generator", "local", "_relay")
        if generators := [opened[name] for name in names if name in opened]:
            shut_down(*generators, *self._governors.opened)
        if "sessions" in opened:
            self.sessions.close()
