"""The providers of tunings, by name; built when first asked for."""

from typing import TYPE_CHECKING, Protocol

from service.jobs.paid_operations.pace import operation_pace
from service.registry import Registry
from service.settings import Settings
from service.tuning.ports import TuningProvider

if TYPE_CHECKING:
    from service.tuning.providers.vertex import VertexTuning


def open_vertex(settings: Settings, *, project: str, account: str) -> "VertexTuning":
    """Return the provider of a service's settings for a Google Cloud project, as a service account
    unless that is empty; raises Invalid `project_not_set`.
    """
    from service.tuning.providers import vertex

    return vertex.open_vertex(
        project=project,
        location=settings.location,
        endpoint=settings.vertex_endpoint,
        account=account,
        submit_seconds=operation_pace(settings).submit_seconds,
    )


class OpenProvider(Protocol):
    def __call__(self, settings: Settings, *, project: str, account: str) -> TuningProvider: ...


PROVIDERS: Registry[OpenProvider] = Registry("tuning provider", {"vertex": open_vertex})
