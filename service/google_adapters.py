"""The adapters that call Google, for each identity that projects call it as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.datasets.ports import TokenCounter
from service.errors import ProviderRefused, Unavailable
from service.inference.batches.ports import BatchProvider
from service.inference.ports import Generator
from service.jobs.paid_operations.pace import operation_pace
from service.projects.administration import service_account_of, service_accounts
from service.projects.service_accounts import (
    GoogleIdentity,
    IdentityState,
    cloud_project_of,
)
from service.registry import Registry
from service.settings import Settings
from service.storage.gcs import read_gs_objects
from service.storage.ports import ObjectStore
from service.storage.stores import open_store
from service.tuning.operations import open_limits
from service.tuning.ports import MadeResources, TuningProvider
from service.tuning.preflight.facts import Preflight, open_preflight
from service.tuning.providers.registry import PROVIDERS, open_vertex

if TYPE_CHECKING:
    from service.inference.generators.vertex import VertexGenerator


@dataclass(frozen=True, eq=False)
class GoogleAdapters:
    """What calls Google as one identity; each is built when first asked for.

    `account` is a service account that is impersonated; its Google Cloud project is called and
    pays. Empty: the installation's own identity, and the project of its settings.
    """

    settings: Settings
    catalogue: Catalogue
    account: str = ""

    @property
    def project(self) -> str:
        account = self.account
        return cloud_project_of(account) if account else self.settings.google_cloud_project

    @cached_property
    def store(self) -> ObjectStore:
        settings = self.settings
        return open_store(
            settings.resolved_storage,
            project=self.project,
            region=settings.location,
            account=self.account,
        )

    @cached_property
    def providers(self) -> Registry[TuningProvider]:
        project, account = self.project, self.account
        built = {
            name: build(self.settings, project=project, account=account)
            for name, build in PROVIDERS.items()
        }
        return Registry(PROVIDERS.noun, built)

    @property
    def tunings(self) -> MadeResources:
        """What Vertex AI holds of tunings, to be listed and deleted."""
        return open_vertex(self.settings, project=self.project, account=self.account)

    @cached_property
    def preflight(self) -> Preflight:
        return open_preflight(
            self.settings,
            project=self.project,
            account=self.account,
            catalogue=self.catalogue,
            most_open=open_limits(self.settings)["vertex"],
        )

    @cached_property
    def batches(self) -> BatchProvider:
        from service.inference.batches.vertex import open_vertex_batches

        return open_vertex_batches(
            project=self.project,
            endpoint=self.settings.vertex_endpoint,
            account=self.account,
            submit_seconds=operation_pace(self.settings).submit_seconds,
        )

    def outputs(self, folder: str) -> Iterator[Iterator[bytes]]:
        """Yield what a batch has written below an address, the bytes of each file."""
        return read_gs_objects(folder, project=self.project, account=self.account)

    @cached_property
    def token_counter(self) -> TokenCounter | None:
        if not (self.settings.count_tokens and self.project):
            return None
        from service.inference.generators.token_counter import VertexTokenCounter

        return VertexTokenCounter(
            project=self.project,
            locate=self.catalogue.serving_location,
            endpoint=self.settings.vertex_endpoint,
            account=self.account,
        )

    @cached_property
    def generator(self) -> "VertexGenerator":
        from service.inference.generators.vertex import VertexGenerator

        return VertexGenerator(
            project=self.project,
            endpoint=self.settings.vertex_endpoint,
            account=self.account,
            timeout_seconds=self.settings.call_timeout_seconds,
        )

    def check(self) -> GoogleIdentity:
        """Ask Google whether it lets us call as this identity; costs nothing."""
        account, project = self.account or None, self.project
        if account is None:
            detail = "calls are made as the installation itself"
            return GoogleIdentity(cloud_project=project, state="not_set", detail=detail)
        from service.impersonation import require_token

        state: IdentityState = "ok"
        detail = "Google gives tokens of it"
        try:
            require_token(account, self.settings.vertex_endpoint)
        except Unavailable as error:
            state, detail = "unanswered", error.message
        except ProviderRefused as error:
            state, detail = "refused", error.message
        return GoogleIdentity(
            service_account=account, cloud_project=project, state=state, detail=detail
        )


@dataclass(frozen=True)
class GoogleIdentities:
    """The adapters of all identities of one process.

    Which is a project's is looked up with every use: an administrator may have changed it.
    """

    settings: Settings
    catalogue: Callable[[], Catalogue]
    sessions: Callable[[], Sessions]
    opened: dict[str, GoogleAdapters] = field(default_factory=dict)

    def of(self, project_id: str) -> GoogleAdapters:
        """Return what a project calls Google by; an empty id is the installation itself."""
        return self._as(self.account_of(project_id) if project_id else "")

    def account_of(self, project_id: str) -> str:
        return service_account_of(project_id, sessions=self.sessions())

    def all(self) -> list[GoogleAdapters]:
        """Return the adapters of the installation itself, then of each service account."""
        return [self._as(account) for account in ("", *service_accounts(sessions=self.sessions()))]

    def cloud_projects(self) -> list[str]:
        """Return the Google Cloud projects that are called, each once."""
        return list(dict.fromkeys(each.project for each in self.all()))

    def opened_generators(self) -> list[Generator]:
        """Return the generators that this process has used."""
        used = [each for each in self.opened.values() if "generator" in each.__dict__]
        return [each.generator for each in used]

    def _as(self, account: str) -> GoogleAdapters:
        if account not in self.opened:
            self.opened[account] = GoogleAdapters(self.settings, self.catalogue(), account)
        return self.opened[account]
